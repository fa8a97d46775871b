import { readFile } from 'node:fs/promises'
import type { ServiceName } from '@muster/domain'
import type { Probe } from './probe-client.ts'
import { functionOf, packageOf, selfTimes, type CpuProfile, type SelfTime } from './profile.ts'

/**
 * Profiles services while `work` runs. The profiler slows them, so this is no time to measure.
 * @returns for each service its busiest packages and functions, as lines of text, after what `work` has to say
 */
export async function profiled(
  probes: Record<ServiceName, Probe>,
  services: readonly ServiceName[],
  work: () => Promise<string>,
): Promise<string[]> {
  for (const name of services) await probes[name].startProfile()
  const texts = [await work()]
  for (const name of services) {
    const file = await probes[name].stopProfile()
    const profile = JSON.parse(await readFile(file, 'utf8')) as CpuProfile
    const packages = top(selfTimes(profile, packageOf), 12)
    const functions = top(selfTimes(profile, functionOf), 30)
    texts.push('', `${name}, CPU time by package, then by function:`, ...packages, '', ...functions)
  }
  return texts
}

function top(times: readonly SelfTime[], count: number): string[] {
  const all = times.reduce((sum, { ms }) => sum + ms, 0)
  const percent = (ms: number) => `${((ms / all) * 100).toFixed(1)} %`.padStart(8)
  return times.slice(0, count).map(({ name, ms }) => `${percent(ms)} ${ms.toFixed(0).padStart(6)} ms  ${name}`)
}
