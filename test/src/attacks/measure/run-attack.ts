import { setTimeout as delay } from 'node:timers/promises'
import { quantile } from '../../bench/statistics.ts'
import { usageOf } from '../../bench/process-usage.ts'
import type { Attack } from '../attack.ts'
import type { AttackResult } from '../attacker.ts'
import type { Arena } from './arena.ts'
import { followPeak, rssAfterCollecting, servicesCpuMs } from './cost.ts'
import { readCounters, riseOf } from './counters.ts'
import type { Felt } from './honest.ts'
import { countWarnings } from './warnings.ts'

/** The outcome of one attack. Times are milliseconds, memory is bytes. */
export interface Outcome {
  name: string
  tries: string
  counts: Record<string, number>
  stranger: { bytesSent: number; cpuMs: number }
  /** All services together, less what honest callers alone cost in that time. */
  server: { cpuMs: number; wallMs: number; coreShare: number; isBarred: boolean }
  /** Of the registration-service that was attacked. `after` is absent in a quick run. */
  memory: { before: number; peak: number; after?: number; backAfterMs?: number }
  honest: { joins: number; lost: number; errors: string[]; p50: number; p99: number; streamsCut: number }
  /** Lines of the log at warning or above. */
  warnings: number
  /** The counters that rose among those that the attack must raise. */
  counted: string[]
  /** The faults, in words; empty when the attack was held. */
  faults: string[]
}

/** How an attack is measured. */
export interface MeasureOptions {
  arena: Arena
  isQuick: boolean
  durationMs: number
  network: number
  /** CPU milliseconds that the services use per second for the honest callers alone. */
  honestCpuPerSecond: number
}

/** An attack that hangs is ended this long after its time. */
const GRACE_MS = 75_000
/** A member's reconnection limit of p99 for joins. */
const JOIN_P99_LIMIT_MS = 2_000
const MEMORY_BACK_LIMIT_MS = 60_000
/**
 * Memory counts as back within this much of where it was. V8 and malloc keep some of what they once had: about 60 MiB after a
 * thousand TLS connections, and hardly more after the next thousand.
 */
const MEMORY_SLACK_BYTES = 80 * 1024 * 1024
/** How long a source stays barred by default; its CPU time is spread over that. */
const BAR_MS = 5 * 60_000

/** Runs one attack beside honest callers, and reports the effects on all of them. */
export async function runAttack(attack: Attack, options: MeasureOptions): Promise<Outcome> {
  const { arena, isQuick, durationMs, network } = options
  const { pid } = arena.targetOf(attack)
  const honest = await arena.honestAt(attack)
  const given = await arena.given(attack)
  const before = isQuick ? usageOf(pid).rssBytes : await rssAfterCollecting(pid)
  const countersBefore = await readCounters(arena.cluster)
  const warningsBefore = await countWarnings(arena.cluster)
  await honest.felt()

  const stopFollowing = followPeak(pid)
  const cpuBefore = servicesCpuMs(arena.cluster)
  const startedAt = performance.now()
  const input = { name: attack.name, given, network, isQuick, durationMs }
  const result = await withLimit(arena, arena.attacker().call('run', input), durationMs + GRACE_MS)
  const wallMs = performance.now() - startedAt
  const spentMs = servicesCpuMs(arena.cluster) - cpuBefore
  const peak = stopFollowing()
  const felt = await honest.felt()
  const countersAfter = await readCounters(arena.cluster)

  const rise = riseOf(countersBefore, countersAfter)
  const cpuMs = Math.max(0, spentMs - (options.honestCpuPerSecond * wallMs) / 1000)
  const isBarred = rise('gate barred') > 0
  const memory = { before, peak, ...(!isQuick && (await memoryAfter(pid, before))) }
  const { durations, ...honestFigures } = summaryOf(felt)
  const outcome: Outcome = {
    name: attack.name,
    tries: attack.tries,
    counts: 'counts' in result ? result.counts : {},
    stranger: 'counts' in result ? { bytesSent: result.bytesSent, cpuMs: result.cpuMs } : { bytesSent: 0, cpuMs: 0 },
    server: { cpuMs, wallMs, coreShare: cpuMs / (isBarred ? BAR_MS : wallMs), isBarred },
    memory,
    honest: { ...honestFigures, p50: quantile(durations, 0.5), p99: quantile(durations, 0.99) },
    warnings: (await countWarnings(arena.cluster)) - warningsBefore,
    counted: (attack.counted ?? []).filter((name) => rise(name) > 0),
    faults: [],
  }
  outcome.faults = [
    ...('hung' in result ? [result.hung] : []),
    ...('allowed' in result && result.allowed !== undefined ? [result.allowed] : []),
    ...faultsOf(attack, outcome, { rise, isQuick }),
  ]
  return outcome
}

function faultsOf(
  attack: Attack,
  { honest, memory, counted }: Outcome,
  { rise, isQuick }: { rise: ReturnType<typeof riseOf>; isQuick: boolean },
): string[] {
  const faults: string[] = []
  if (honest.lost > 0) faults.push(`${honest.lost} honest joins were lost: ${honest.errors[0]}`)
  if (honest.streamsCut > 0) faults.push(`${honest.streamsCut} streams of members were cut`)
  if (attack.counted !== undefined && counted.length === 0) {
    faults.push(`no counter rose of ${attack.counted.join(', ')}`)
  }
  const allowed = attack.allowed?.(rise)
  if (allowed !== undefined) faults.push(allowed)
  // A quick run shares its machine with other tests: it judges no times and no memory.
  if (isQuick) return faults
  if (honest.p99 > JOIN_P99_LIMIT_MS) faults.push(`the slowest joins took ${Math.round(honest.p99)} ms`)
  if (memory.backAfterMs === undefined) faults.push('memory was not back within a minute')
  return faults
}

function summaryOf({ joins, streamsCut }: Felt) {
  const errors = joins.flatMap(({ error }) => error ?? [])
  return {
    durations: joins.filter(({ error }) => error === undefined).map(({ durationMs }) => durationMs),
    joins: joins.length,
    lost: errors.length,
    errors: [...new Set(errors)].slice(0, 3),
    streamsCut,
  }
}

/** Waits until memory is back at its level, a minute at most. */
async function memoryAfter(pid: number, before: number): Promise<{ after: number; backAfterMs?: number }> {
  const endedAt = performance.now()
  for (;;) {
    const after = await rssAfterCollecting(pid)
    const passedMs = performance.now() - endedAt
    if (after <= before + MEMORY_SLACK_BYTES) return { after, backAfterMs: passedMs }
    if (passedMs > MEMORY_BACK_LIMIT_MS) return { after }
    await delay(1_000)
  }
}

async function withLimit(
  arena: Arena,
  attack: Promise<AttackResult>,
  limitMs: number,
): Promise<AttackResult | { hung: string }> {
  const limit = new AbortController()
  const hung = delay(limitMs, { hung: `the attack did not end within ${limitMs} ms` }, { signal: limit.signal })
  hung.catch(() => {})
  try {
    const result = await Promise.race([attack, hung])
    if ('hung' in result) await arena.endAttacker()
    return result
  } catch (error) {
    // The attacker's process has ended.
    await arena.endAttacker()
    return { hung: `the attacker failed: ${(error as Error).message}` }
  } finally {
    limit.abort()
    attack.catch(() => {})
  }
}
