import { readFile } from 'node:fs/promises'
import type { ServiceProgram } from '@muster/local-cluster'
import type { Probe } from './probe-client.ts'

/** A CPU profile as V8 writes it, as far as it is used here. */
export interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[]
  samples: number[]
  /** Microseconds since the sample before. */
  timeDeltas: number[]
}

/** Time spent in a function itself, not in what it calls. */
export interface SelfTime {
  name: string
  ms: number
}

const IDLE = new Set(['(idle)', '(root)'])

/** Self times by whatever `nameOf` makes of a frame, longest first; waiting is left out. */
export function selfTimes(
  profile: CpuProfile,
  nameOf: (frame: CpuProfile['nodes'][0]['callFrame']) => string,
): SelfTime[] {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const times = new Map<string, number>()
  profile.samples.forEach((id, i) => {
    const frame = frames.get(id)
    if (frame === undefined || IDLE.has(frame.functionName)) return
    const name = nameOf(frame)
    times.set(name, (times.get(name) ?? 0) + (profile.timeDeltas[i] ?? 0) / 1000)
  })
  return [...times].map(([name, ms]) => ({ name, ms })).sort((a, b) => b.ms - a.ms)
}

/** The package that a frame belongs to; what V8 and OpenSSL do outside JavaScript is `(program)`. */
export function packageOf({ functionName, url }: { functionName: string; url: string }): string {
  if (url === '') return functionName.startsWith('(') ? functionName : 'native'
  if (url.startsWith('node:')) return /^node:(?:internal\/)?([^/]+)/.exec(url)![0]
  const inModules = url.split('/node_modules/').at(-1)!
  if (inModules !== url)
    return inModules
      .split('/')
      .slice(0, inModules.startsWith('@') ? 2 : 1)
      .join('/')
  return /\/(?:packages|services)\/([^/]+)\//.exec(url)?.[1] ?? url
}

/** A function with where it is. */
export function functionOf(frame: CpuProfile['nodes'][0]['callFrame']): string {
  const { functionName, url, lineNumber } = frame
  const place = url === '' ? '' : ` ${packageOf(frame)}/${url.split('/').at(-1)}:${lineNumber + 1}`
  return `${functionName || '(anonymous)'}${place}`
}

/**
 * Profiles services while `work` runs. The profiler slows them, so this is no time to measure.
 * @returns for each service its busiest packages and functions, and whatever `work` has to say, as lines of text
 */
export async function profiled(
  probes: Record<ServiceProgram, Probe>,
  services: readonly ServiceProgram[],
  work: () => Promise<string>,
): Promise<string[]> {
  for (const name of services) await probes[name].startProfile()
  const said = await work()
  const texts: string[] = [said]
  for (const name of services) {
    const file = await probes[name].stopProfile()
    const profile = JSON.parse(await readFile(file, 'utf8')) as CpuProfile
    texts.push(`\n${name}, CPU time by package, then by function (self time):`)
    texts.push(...top(selfTimes(profile, packageOf), 12), '', ...top(selfTimes(profile, functionOf), 25))
  }
  return texts
}

function top(times: readonly SelfTime[], count: number): string[] {
  const all = times.reduce((sum, { ms }) => sum + ms, 0)
  return times
    .slice(0, count)
    .map(({ name, ms }) => `  ${((ms / all) * 100).toFixed(1).padStart(5)} %  ${ms.toFixed(0).padStart(6)} ms  ${name}`)
}
