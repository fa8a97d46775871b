import { safeText } from '@muster/domain/safe-text'
import { CliError, UsageError } from '../command/errors.ts'
import type { Io } from '../command/io.ts'
import type { Context, Failure, Program } from '../command/program.ts'

/** What the report of an error needs to know of the command line. */
export interface ReportOptions {
  /** Print the details too. */
  verbose: boolean
  /** The program and the command that was typed, such as `musterctl tokens add`. */
  path: string
}

/** Prints on stderr what happened and what to do next. @returns the exit status */
export async function reportError<C extends Context>(
  program: Program<C>,
  error: unknown,
  { stderr, signal }: Io,
  { verbose, path }: ReportOptions,
): Promise<number> {
  const write = (text: string) => text.split('\n').forEach((line) => void stderr.write(`${safeText(line)}\n`))
  if (signal?.aborted && !(error instanceof UsageError)) {
    write(`${program.name}: interrupted`)
    return program.exits.failed
  }
  const {
    status,
    message,
    next,
    details = [],
    origin = error,
  } = (await program.explain?.(error)) ?? plainFailure(program, error)
  write(`${program.name}: ${message}`)
  if (status === program.exits.usage) write(`'${path} --help' shows how it is used.`)
  else if (next !== undefined) write(next)
  if (verbose) [...details, ...causesOf(origin)].forEach(write)
  return status
}

function plainFailure({ exits }: Pick<Program, 'exits'>, error: unknown): Failure {
  return {
    status: error instanceof UsageError ? exits.usage : exits.failed,
    message: error instanceof Error ? error.message : String(error),
    next: error instanceof CliError ? error.next : undefined,
  }
}

function causesOf(error: unknown): string[] {
  const lines: string[] = []
  const seen = new Set<unknown>([error])
  let cause = error instanceof Error ? error.cause : undefined
  while (cause instanceof Error && !seen.has(cause)) {
    seen.add(cause)
    lines.push(`  caused by: ${cause.message}`)
    cause = cause.cause
  }
  return lines
}
