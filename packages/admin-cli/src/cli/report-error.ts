import { CliError, UsageError, type Io } from '@muster/cli-kit'
import type { ErrorKind } from '@muster/domain'
import { CallError } from './errors.ts'
import { EXIT } from './exit-status.ts'
import { safeText } from '@muster/domain/safe-text'

export interface ReportOptions {
  /** Adds kind, reason, gRPC status and causes. */
  verbose: boolean
  /** The command that was typed, such as `tokens add`. */
  typed: string
}

/** Says once on stderr what happened, why, and what to do next. @returns the exit status */
export function reportError(error: unknown, { stderr, signal }: Io, { verbose, typed }: ReportOptions): number {
  const write = (line: string) => void stderr.write(`${safeText(line)}\n`)
  if (signal?.aborted && !(error instanceof UsageError)) {
    write('musterctl: interrupted')
    return EXIT.failed
  }
  write(`musterctl: ${error instanceof Error ? error.message : String(error)}`)
  const isUsage = error instanceof UsageError || isRefusedFlag(error)
  if (isUsage) write(`'${['musterctl', typed, '--help'].filter(Boolean).join(' ')}' shows how it is used.`)
  else if (error instanceof CliError && error.next !== undefined) write(error.next)
  if (verbose) details(error).forEach(write)
  return isUsage ? EXIT.usage : EXIT.failed
}

/** A limit that the cluster alone knows, such as the longest life of a token. */
function isRefusedFlag(error: unknown): boolean {
  return error instanceof CallError && error.error.reason === 'INVALID_FIELD'
}

/** The name that gRPC has for it, as in the log of the service. */
function statusNameOf(kind: ErrorKind): string {
  return kind.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
}

function details(error: unknown): string[] {
  const lines: string[] = []
  if (error instanceof CallError) {
    const { kind, reason, field } = error.error
    lines.push(`  status: ${statusNameOf(kind)}`, `  service: ${error.asked.service} at ${error.asked.address}`)
    if (reason !== undefined) lines.push(`  reason: ${reason}`)
    if (field !== undefined) lines.push(`  field: ${field}`)
  }
  // The AppError of a failed call says what the message says already.
  const origin = error instanceof CallError ? error.error : error
  const seen = new Set<unknown>([origin])
  let cause = origin instanceof Error ? origin.cause : undefined
  while (cause instanceof Error && !seen.has(cause)) {
    seen.add(cause)
    lines.push(`  caused by: ${cause.message}`)
    cause = cause.cause
  }
  return lines
}
