import { setTimeout as delay } from 'node:timers/promises'
import { SERVICE_NAMES } from '@muster/domain'
import { usageOf } from '../../bench/process-usage.ts'
import type { Cluster } from '../../harness/cluster.ts'

const LOOK_EVERY_MS = 100
/** How long a collection of garbage takes at most. */
const COLLECT_MS = 400

/** CPU time so far of all services together, the stores not counted, in milliseconds. */
export function servicesCpuMs({ services }: Pick<Cluster, 'services'>): number {
  const pids = SERVICE_NAMES.flatMap((name) => services[name].map(({ pid }) => pid))
  return pids.reduce((sum, pid) => sum + usageOf(pid).cpuMs, 0)
}

/** Resident memory of a registration-service after it has collected its garbage, in bytes. */
export async function rssAfterCollecting(pid: number): Promise<number> {
  process.kill(pid, 'SIGUSR2')
  await delay(COLLECT_MS)
  return usageOf(pid).rssBytes
}

/** Follows the resident memory of a process. @returns a function that stops, and says the most that was seen, in bytes */
export function followPeak(pid: number): () => number {
  let most = 0
  const look = () => (most = Math.max(most, usageOf(pid).rssBytes))
  const timer = setInterval(look, LOOK_EVERY_MS)
  return () => {
    clearInterval(timer)
    look()
    return most
  }
}
