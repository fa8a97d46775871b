import { readProcesses, withDescendants } from './process-usage.ts'

/** Processes whose CPU time is reported under one name. Looked up at each reading, since a service may restart. */
export type CpuGroups = Record<string, () => number | undefined>

/** The cost of some work: its own time, and the CPU time of each group meanwhile. */
export interface Reading<R> {
  result: R
  wallMs: number
  cpuMs: Record<string, number>
}

/**
 * Measures the CPU time of server processes, with all processes below them, while `work` runs. Other programs on this
 * machine are not counted, but make it a little longer, since they share caches.
 */
export async function metered<R>(groups: CpuGroups, work: () => Promise<R>): Promise<Reading<R>> {
  const before = readGroups(groups)
  const startedAt = performance.now()
  const result = await work()
  const wallMs = performance.now() - startedAt
  const after = readGroups(groups)
  const names = Object.keys(groups)
  return { result, wallMs, cpuMs: Object.fromEntries(names.map((name) => [name, after[name]! - before[name]!])) }
}

/** The sum over all groups. */
export function total(cpuMs: Record<string, number>): number {
  return Object.values(cpuMs).reduce((sum, ms) => sum + ms, 0)
}

/** Adds readings of the same groups. */
export function added(readings: readonly Record<string, number>[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const reading of readings) {
    for (const [name, ms] of Object.entries(reading)) sums[name] = (sums[name] ?? 0) + ms
  }
  return sums
}

function readGroups(groups: CpuGroups): Record<string, number> {
  const processes = readProcesses()
  const cpuOf = (pid: number | undefined) => {
    const tree = pid === undefined ? [] : withDescendants(pid, processes)
    return tree.reduce((sum, { cpuMs }) => sum + cpuMs, 0)
  }
  return Object.fromEntries(Object.entries(groups).map(([name, pid]) => [name, cpuOf(pid())]))
}
