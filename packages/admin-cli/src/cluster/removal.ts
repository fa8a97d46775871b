import { CliError, UsageError, type Io } from '@muster/cli-kit'
import { isNodeId, printable } from '@muster/domain'
import { safeText } from '@muster/domain/safe-text'
import { pagesOf, type Page } from './all-pages.ts'
import { CallError } from '../cli/errors.ts'
import { EXIT } from '../cli/exit-status.ts'

/** What came of removing several things by id. */
export interface Removal<T> {
  removed: T[]
  /** A line for each that could not be removed. */
  problems: string[]
  /** What ended it early, such as a service that is away. */
  stopped?: unknown
}

/**
 * Removes one after the other and goes on after one that is refused; every removal may be repeated. `nameOf` says how to
 * speak of one.
 */
export async function removeEach<A, T>(
  all: readonly A[],
  remove: (one: A) => Promise<T>,
  nameOf: (one: A, index: number) => string,
): Promise<Removal<T>> {
  const removal: Removal<T> = { removed: [], problems: [] }
  for (const [i, one] of all.entries()) {
    try {
      removal.removed.push(await remove(one))
    } catch (error) {
      if (!(error instanceof CliError) || !isAboutThis(error)) return { ...removal, stopped: error }
      removal.problems.push([`${nameOf(one, i)}: ${error.message}`, asClause(error.next)].filter(Boolean).join('; '))
    }
  }
  return removal
}

/** What is removed by its id, a UUID, or the beginning of one. */
export interface Removable<T> {
  noun: 'node' | 'bot'
  /** A page of the ids that there are. */
  idsFrom: (pageToken: string) => Promise<Page<string>>
  remove: (id: string) => Promise<T>
}

const LEAST_CHARACTERS = 8

/** Ids, or at least 8 characters of each. A name is none: two may have the same. @throws UsageError */
export function parseIdPrefixes(texts: readonly string[], noun: Removable<unknown>['noun']): string[] {
  if (texts.length === 0) throw new UsageError(`which ${noun}? give its id, as 'musterctl ${noun}s ls' shows it`)
  return texts.map((text) => {
    const id = text.toLowerCase()
    if (/^[0-9a-f-]{8,36}$/.test(id) && FULL_FORM.startsWith(id.replaceAll(/[0-9a-f]/g, 'x'))) return id
    throw new UsageError(
      `${printable(text)} is not a ${noun} id, nor at least ${LEAST_CHARACTERS} characters of one; 'musterctl ${noun}s ls' shows them`,
    )
  })
}

const FULL_FORM = 'xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx'

/** As `removeEach`, by id or by the beginning of one that is told apart. Reads the list of ids only for the latter. */
export async function removeByIdPrefix<T>(wanted: readonly string[], removable: Removable<T>): Promise<Removal<T>> {
  const { noun, idsFrom, remove } = removable
  const prefixes = wanted.filter((id) => !isNodeId(id))
  const found = await findByPrefix(prefixes, idsFrom)
  return removeEach(
    wanted,
    (id) => remove(isNodeId(id) ? id : onlyOne(found.get(id) ?? [], noun)),
    (id) => id,
  )
}

/** The ids that begin like each prefix, two at most. */
async function findByPrefix(
  prefixes: readonly string[],
  idsFrom: Removable<unknown>['idsFrom'],
): Promise<Map<string, string[]>> {
  const found = new Map(prefixes.map((prefix): [string, string[]] => [prefix, []]))
  if (found.size === 0) return found
  for await (const ids of pagesOf(idsFrom)) {
    for (const [prefix, matches] of found) {
      for (const id of ids) if (matches.length < 2 && id.startsWith(prefix)) matches.push(id)
    }
  }
  return found
}

function onlyOne([id, another]: readonly string[], noun: string): string {
  if (id === undefined) throw new CliError(`no such ${noun}`, `'musterctl ${noun}s ls' shows those there are.`)
  if (another !== undefined) throw new CliError(`more than one ${noun} id begins so; give more of it`)
  return id
}

/** Says what was not removed. @returns the exit status */
export function reportRemoval({ stderr }: Io, { problems, stopped }: Removal<unknown>): number {
  problems.forEach((problem) => stderr.write(`musterctl: ${safeText(problem)}\n`))
  if (stopped !== undefined) throw stopped
  return problems.length > 0 ? EXIT.failed : EXIT.done
}

function isAboutThis(error: CliError): boolean {
  return (
    !(error instanceof CallError) || ['notFound', 'failedPrecondition', 'invalidArgument'].includes(error.error.kind)
  )
}

/** A sentence as it stands behind a semicolon. */
function asClause(sentence: string | undefined): string | undefined {
  return sentence === undefined ? undefined : `${sentence[0]!.toLowerCase()}${sentence.slice(1)}`
}
