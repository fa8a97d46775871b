import type { File, Member } from './repository.ts'

interface Declaration {
  name: string
  documented: boolean
}

const DECLARATION =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:const enum|const|let|function\*?|class|interface|type|enum) (\w+)/

/** Exports of a package that have no doc comment, as `folder: name`. */
export function undocumentedExports({ folder, sources }: Member): string[] {
  const declarations = sources.flatMap(declarationsOf)
  const documented = new Set(declarations.filter((one) => one.documented).map((one) => one.name))
  const names = new Set(declarations.map((one) => one.name))
  return [...names].filter((name) => !documented.has(name)).map((name) => `${folder}: ${name}`)
}

/** Names that several files of one package declare and export, as `folder: name in a.ts, b.ts`. */
export function repeatedExports({ folder, sources }: Member): string[] {
  const places = new Map<string, Set<string>>()
  for (const file of sources) {
    for (const { name } of declarationsOf(file)) places.set(name, (places.get(name) ?? new Set()).add(file.path))
  }
  return [...places].filter(([, files]) => files.size > 1).map(([name, files]) => describePlaces(folder, name, files))
}

/**
 * The exports that a file declares itself. Relies on Prettier's layout: an export starts its line, and its comment ends
 * on the line above. A name that is declared twice (a type and its constant, overloads) needs one comment.
 */
function declarationsOf({ text }: File): Declaration[] {
  const lines = text.split('\n')
  return lines.flatMap((line, at): Declaration[] => {
    const name = DECLARATION.exec(line)?.[1]
    return name === undefined ? [] : [{ name, documented: (lines[at - 1] ?? '').trimEnd().endsWith('*/') }]
  })
}

function describePlaces(folder: string, name: string, files: Iterable<string>): string {
  const places = [...files].map((file) => file.slice(folder.length + 1)).toSorted()
  return `${folder}: ${name} in ${places.join(', ')}`
}
