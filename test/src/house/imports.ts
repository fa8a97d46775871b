import path from 'node:path'
import type { File, Member } from './repository.ts'

type Graph = Map<string, string[]>

const STATIC_IMPORT = /^(?:import|export)\b[^'"`;]*?from ['"]([^'"]+)['"]|^import ['"]([^'"]+)['"]/gm
const DYNAMIC_IMPORT = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g

/**
 * Groups of files that import each other in a circle, each as its sorted paths joined by commas. Counts type imports,
 * dynamic imports, re-exports, and imports from one package to another.
 */
export function importCircles(members: readonly Member[]): string[] {
  const files = members.flatMap(({ sources }) => sources)
  const known = new Set(files.map((file) => file.path))
  const graph = new Map(
    files.map((file) => [file.path, importsOf(file, members).filter((target) => known.has(target))]),
  )
  return circles(graph).map((circle) => circle.toSorted().join(', '))
}

function importsOf(file: File, members: readonly Member[]): string[] {
  return [...file.text.matchAll(STATIC_IMPORT), ...file.text.matchAll(DYNAMIC_IMPORT)].flatMap((match) =>
    resolve(file.path, match[1] ?? match[2] ?? '', members),
  )
}

/** Files that a specifier may stand for: a neighbour, or the entry of another package. */
function resolve(from: string, specifier: string, members: readonly Member[]): string[] {
  if (specifier.startsWith('.')) return [path.posix.join(path.posix.dirname(from), specifier)]
  const owner = members.find(({ name }) => specifier === name || specifier.startsWith(`${name}/`))
  if (owner === undefined) return []
  const entry = specifier.slice(owner.name.length + 1)
  if (entry === '') return [`${owner.folder}/src/index.ts`, `${owner.folder}/src/app.ts`]
  return owner.sources.map((file) => file.path).filter((name) => name.endsWith(`/${entry}.ts`))
}

/** Strongly connected groups of more than one file, and files that import themselves (Tarjan's algorithm). */
function circles(graph: Graph): string[][] {
  const index = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const found: string[][] = []
  for (const file of graph.keys()) if (!index.has(file)) visit(file)
  return found

  function visit(file: string): void {
    index.set(file, index.size)
    low.set(file, index.get(file)!)
    stack.push(file)
    for (const target of graph.get(file)!) {
      if (!index.has(target)) visit(target)
      if (stack.includes(target)) low.set(file, Math.min(low.get(file)!, low.get(target)!))
    }
    if (low.get(file) !== index.get(file)) return
    const group = stack.splice(stack.indexOf(file))
    if (group.length > 1 || graph.get(file)!.includes(file)) found.push(group)
  }
}
