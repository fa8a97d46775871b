import type { Logger } from '@muster/runtime'
import { Counter, Gauge, type Registry } from 'prom-client'

/** What the gate refuses, ends, delays or notices. */
const EVENTS = [
  'barred',
  'over-budget',
  'bad-certificates',
  'source-full',
  'full',
  'evicted',
  'handshake-timeout',
  'handshake-too-slow',
  'handshake-failed',
  'proxy-header',
] as const
/** What the gate refuses, ends, delays or notices: a value of the metric's label `reason`. */
export type GateEvent = (typeof EVENTS)[number]

const WARN_EVERY_MS = 30_000
/** The log names at most this many kinds of refusal and source. */
const MOST_NAMED = 5
const MOST_COUNTED = 100

/** Counts what the gate refuses. Logs a warning at once, and then every 30 seconds one about what followed. */
export class GateReport {
  readonly #log: Logger
  readonly #refusals: Counter<'reason'>
  /** The events since the last warning, and how often each happened. */
  readonly #since = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  constructor(
    { log, metrics }: { log: Logger; metrics: Registry },
    counts: () => { open: number; strangers: number; handshakes: number },
  ) {
    this.#log = log
    this.#refusals = new Counter({
      name: 'muster_gate_refused_total',
      help: 'Connections that the gate refused, ended or delayed, by reason',
      labelNames: ['reason'],
      registers: [metrics],
    })
    for (const reason of EVENTS) this.#refusals.inc({ reason }, 0)
    const open = new Gauge({
      name: 'muster_gate_connections',
      help: 'Open connections: all, those without a certificate that verifies, those in the TLS handshake',
      labelNames: ['kind'],
      registers: [],
      collect() {
        const { open, strangers, handshakes } = counts()
        this.set({ kind: 'all' }, open)
        this.set({ kind: 'stranger' }, strangers)
        this.set({ kind: 'handshake' }, handshakes)
      },
    })
    metrics.registerMetric(open)
  }

  /** Counts an event and logs a warning. */
  refused(reason: GateEvent, source: string): void {
    this.count(reason)
    this.#warn(`${reason} ${source}`)
  }

  /** Counts an event that may also be a fault of an honest peer, such as a pin that does not match. */
  count(reason: GateEvent): void {
    this.#refusals.inc({ reason })
  }

  /** Warns that the system could not accept a connection. */
  acceptFailed(error: Error): void {
    this.#log.warn({ err: error, event: 'gate.accept-failed' }, 'a connection could not be accepted')
  }

  /** Stops the timer. */
  close(): void {
    clearTimeout(this.#timer)
  }

  #warn(what: string): void {
    if (this.#timer !== undefined) {
      const isKnown = this.#since.has(what)
      if (isKnown || this.#since.size < MOST_COUNTED) this.#since.set(what, (this.#since.get(what) ?? 0) + 1)
      return
    }
    this.#log.warn({ event: 'gate.refused', first: what }, `the gate refuses connections: ${what}`)
    this.#timer = setTimeout(() => this.#sum(), WARN_EVERY_MS)
    this.#timer.unref()
  }

  #sum(): void {
    this.#timer = undefined
    if (this.#since.size === 0) return
    const most = [...this.#since].sort(([, a], [, b]) => b - a).slice(0, MOST_NAMED)
    this.#since.clear()
    this.#log.warn({ event: 'gate.refused', most: Object.fromEntries(most) }, 'the gate refused more connections')
  }
}
