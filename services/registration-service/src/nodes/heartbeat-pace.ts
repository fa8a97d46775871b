/** A renewal costs three services about as much as a join does. */
const RENEWALS_PER_SECOND = 50

/** Computes how often nodes send beats, for a fleet of any size. */
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

  /** Sets how many nodes are alive. */
  setFleetSize(nodes: number): void {
    this.#fleetSize = nodes
  }

  /** The interval for nodes: the configured one, or longer if the fleet would otherwise exceed the configured total rate (as in Nomad). */
  get intervalMs(): number {
    return Math.max(this.#baseIntervalMs, Math.ceil((this.#fleetSize / this.#beatsPerSecond) * 1000))
  }

  /** Within how long nodes that must renew should do so, each at a random time: about 50 renewals a second. */
  get renewWithinMs(): number {
    return Math.max(this.#baseIntervalMs, Math.ceil((this.#fleetSize / RENEWALS_PER_SECOND) * 1000))
  }

  /** How long a node with this interval may be silent before it is offline. */
  offlineAfterMs(intervalMs = this.intervalMs): number {
    return intervalMs * this.#missedLimit
  }
}
