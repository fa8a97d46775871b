import { CallError, CliError, UsageError } from './errors.ts'
import type { Io } from './io.ts'
import { safeText } from './safe-text.ts'

/** How `musterctl` says to scripts how it went. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const

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
  if (error instanceof UsageError) {
    write(`'${['musterctl', typed, '--help'].filter(Boolean).join(' ')}' shows how it is used.`)
    return EXIT.usage
  }
  if (error instanceof CliError && error.next !== undefined) write(error.next)
  if (verbose) details(error).forEach(write)
  return EXIT.failed
}

function details(error: unknown): string[] {
  const lines: string[] = []
  if (error instanceof CallError) {
    const { kind, reason, field } = error.error
    lines.push(`  service: ${error.asked.service} at ${error.asked.address}`, `  kind: ${kind}`)
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
