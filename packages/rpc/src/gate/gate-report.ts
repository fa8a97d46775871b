import type { Logger } from '@muster/runtime'
import { Counter, Gauge, type Registry } from 'prom-client'

/** Why a connection was refused or ended by the gate. */
export type GateRefusal = 'barred' | 'paused' | 'source-full' | 'full' | 'evicted' | 'handshake-timeout'

const REFUSALS: readonly GateRefusal[] = ['barred', 'paused', 'source-full', 'full', 'evicted', 'handshake-timeout']
const WARN_EVERY_MS = 30_000

/** Counts what the gate refuses, and warns of it in the log, once in 30 seconds at most. */
export class GateReport {
  readonly #log: Logger
  readonly #refusals: Counter<'reason'>
  readonly #since = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  constructor(
    { log, metrics }: { log: Logger; metrics: Registry },
    counts: () => { open: number; strangers: number; handshakes: number },
  ) {
    this.#log = log
    this.#refusals = new Counter({
      name: 'muster_gate_refused_total',
      help: 'Connections that the gate refused or ended, by reason',
      labelNames: ['reason'],
      registers: [metrics],
    })
    for (const reason of REFUSALS) this.#refusals.inc({ reason }, 0)
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

  refused(reason: GateRefusal, source: string): void {
    this.#refusals.inc({ reason })
    this.#warn(`${reason} ${source}`)
  }

  barred(source: string, forMs: number): void {
    this.#log.warn(
      { event: 'gate.barred', source, forMs },
      `${source} showed certificates that do not verify; its connections are refused for ${forMs / 1000} s`,
    )
  }

  acceptFailed(error: Error): void {
    this.#log.warn({ err: error, event: 'gate.accept-failed' }, 'a connection could not be accepted')
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #warn(what: string): void {
    if (this.#since.size < 100) this.#since.set(what, (this.#since.get(what) ?? 0) + 1)
    if (this.#timer !== undefined) return
    const say = () => {
      this.#timer = undefined
      const most = [...this.#since].sort(([, a], [, b]) => b - a).slice(0, 5)
      this.#since.clear()
      this.#log.warn({ event: 'gate.refused', most: Object.fromEntries(most) }, 'the gate refused connections')
    }
    this.#timer = setTimeout(say, WARN_EVERY_MS)
    this.#timer.unref()
    // The first one at once, what follows together.
    if (this.#since.size === 1) this.#log.warn({ event: 'gate.refused', first: what }, 'the gate refuses connections')
  }
}
