import { CliError, type Io } from '@muster/cli-kit'
import { safeText } from '@muster/domain/safe-text'
import { CallError } from '../cli/errors.ts'
import { EXIT } from '../cli/exit-status.ts'

/** The result of removing several things. */
export interface Removal<T> {
  removed: T[]
  /** One line for each that could not be removed. */
  problems: string[]
  /** The error that stopped it early, for example when a service is down. */
  stopped?: unknown
}

/**
 * Removes one after another and continues after a refusal; every removal may be repeated. `nameOf` returns the name to print,
 * which must not be a secret.
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
      const name = nameOf(one, i)
      const what = error.message.includes(name) ? error.message : `${name}: ${error.message}`
      removal.problems.push([what, asClause(error.next)].filter(Boolean).join('; '))
    }
  }
  return removal
}

/** Prints what could not be removed. @returns the exit status */
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
