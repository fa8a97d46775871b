/** A CPU profile as V8 writes it, as far as it is used here. */
export interface CpuProfile {
  nodes: ProfileNode[]
  samples: number[]
  /** Microseconds since the sample before. */
  timeDeltas: number[]
}

export interface ProfileNode {
  id: number
  callFrame: { functionName: string; url: string; lineNumber: number }
  children?: number[]
}

/** Time spent in one place itself, not in what it calls; longest first. */
export interface SelfTime {
  name: string
  ms: number
}

/** A function on the stack of a sample and those that called it, innermost first. */
type Stack = ProfileNode['callFrame'][]

const IDLE = new Set(['(idle)', '(root)'])

/** Self times by the name that `nameOf` gives a stack, without waiting and without the profiler's own work. */
export function selfTimes(profile: CpuProfile, nameOf: (stack: Stack) => string): SelfTime[] {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const parents = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])))
  const times = new Map<number, number>()
  profile.samples.forEach((id, i) => times.set(id, (times.get(id) ?? 0) + (profile.timeDeltas[i] ?? 0) / 1000))
  const byName = new Map<string, number>()
  for (const [id, ms] of times) {
    const stack: Stack = []
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) stack.push(nodes.get(at)!.callFrame)
    const isProfiler = stack.some(({ url }) => url === 'node:inspector' || url.endsWith('/bench/probe.js'))
    if (isProfiler || IDLE.has(stack[0]!.functionName)) continue
    const name = nameOf(stack)
    byName.set(name, (byName.get(name) ?? 0) + ms)
  }
  return [...byName].map(([name, ms]) => ({ name, ms })).sort((a, b) => b.ms - a.ms)
}

/**
 * The package that the time was spent for: the innermost on the stack that is not Node's own. Where Node called nobody,
 * the part of Node; what V8 and OpenSSL do outside JavaScript is `(program)`, most of it TLS handshakes.
 */
export function packageOf(stack: Stack): string {
  const owner = stack.find(({ url }) => url !== '' && !url.startsWith('node:')) ?? stack.find(({ url }) => url !== '')
  return owner === undefined ? stack[0]!.functionName : moduleOf(owner.url)
}

/** The function with where it is; one of Node's also with whose function asked for it. */
export function functionOf(stack: Stack): string {
  const [innermost, ...callers] = stack as [Stack[0], ...Stack]
  const caller = callers.find(({ url }) => url !== '' && !url.startsWith('node:'))
  const isNodes = innermost.url === '' || innermost.url.startsWith('node:')
  return placed(innermost) + (isNodes && caller !== undefined ? ` < ${placed(caller)}` : '')
}

function placed({ functionName, url, lineNumber }: Stack[0]): string {
  const name = functionName || '(anonymous)'
  return url === '' ? name : `${name} [${moduleOf(url)} ${url.split('/').at(-1)}:${lineNumber + 1}]`
}

function moduleOf(url: string): string {
  if (url.startsWith('node:')) return url.replace(/^(node:(?:internal\/)?[^/]+).*/, '$1')
  const installed = url.split('/node_modules/').at(-1)!
  if (installed !== url) return installed.split('/', installed.startsWith('@') ? 2 : 1).join('/')
  return /\/(?:packages|services)\/([^/]+)\//.exec(url)?.[1] ?? url
}
