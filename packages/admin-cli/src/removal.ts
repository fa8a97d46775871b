import { CallError, CliError } from './errors.ts'
import type { Io } from './io.ts'
import { EXIT } from './exit-status.ts'
import { safeText } from '@muster/domain/safe-text'

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
      removal.problems.push([`${nameOf(one, i)}: ${error.message}`, error.next].filter(Boolean).join('; '))
    }
  }
  return removal
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
