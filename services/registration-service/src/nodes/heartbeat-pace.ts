/** How often nodes beat, for a fleet of any size. */
export class HeartbeatPace {
  readonly #baseIntervalMs: number
  readonly #missedLimit: number
  readonly #beatsPerSecond: number
  #fleetSize = 0

  constructor(options: { baseIntervalMs: number; missedLimit: number; beatsPerSecond: number }) {
    this.#baseIntervalMs = options.baseIntervalMs
    this.#missedLimit = options.missedLimit
    this.#beatsPerSecond = options.beatsPerSecond
  }

  /** Takes note of how many nodes are alive. */
  setFleetSize(nodes: number): void {
    this.#fleetSize = nodes
  }

  /** The interval to tell nodes: the configured one, stretched once the fleet would beat faster in total than configured (as Nomad does). */
  get intervalMs(): number {
    return Math.max(this.#baseIntervalMs, Math.ceil((this.#fleetSize / this.#beatsPerSecond) * 1000))
  }

  /** How long a node that was told this interval may stay silent. */
  offlineAfterMs(intervalMs = this.intervalMs): number {
    return intervalMs * this.#missedLimit
  }
}
