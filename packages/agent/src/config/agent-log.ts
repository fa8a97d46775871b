import { appendFileSync } from 'node:fs'
import type { Io, Output } from '@muster/cli-kit'
import { createLineLog, type LineLog, messageWithCause } from '@muster/runtime'
import { isJournal, journalLine } from '../systemd/journal.ts'

/** The values of log.severity: entries below it are left out. */
export const LOG_SEVERITIES = ['info', 'warn', 'error'] as const
/** The values of log.format. */
export const LOG_FORMATS = ['text', 'json'] as const

/** How the agent logs. */
export interface LogSettings {
  /** `stderr`, `stdout`, or the absolute path of a file. */
  output: string
  severity: (typeof LOG_SEVERITIES)[number]
  format: (typeof LOG_FORMATS)[number]
}

/** Opens the log of the agent. Text for the journal of systemd has the priority in place of the time. */
export function openAgentLog(
  { output = 'stderr', severity = 'info', format = 'text' }: Partial<LogSettings>,
  { stdout, stderr, env }: Pick<Io, 'stdout' | 'stderr' | 'env'>,
): LineLog {
  const toStream = (stream: Output, descriptor: 1 | 2): Write => {
    const forJournal = format === 'text' && isJournal(descriptor, env)
    return (line) => void stream.write(forJournal ? journalLine(line) : line)
  }
  const write =
    output === 'stderr' ? toStream(stderr, 2) : output === 'stdout' ? toStream(stdout, 1) : toFile(output, stderr)
  const log = format === 'json' ? jsonLog(write) : createLineLog(write)
  const least = LOG_SEVERITIES.indexOf(severity)
  const none = () => {}
  return {
    info: least > LOG_SEVERITIES.indexOf('info') ? none : log.info,
    warn: least > LOG_SEVERITIES.indexOf('warn') ? none : log.warn,
  }
}

type Write = (line: string) => void

/** Opens the file for each line, so that it may be renamed at any time. A full disk must not stop the agent. */
function toFile(file: string, stderr: Output): Write {
  let failed = false
  return (line) => {
    try {
      appendFileSync(file, line, { mode: 0o640 })
      failed = false
    } catch (error) {
      if (!failed) stderr.write(`the log ${file} cannot be written: ${(error as Error).message}\n`)
      failed = true
      stderr.write(line)
    }
  }
}

/** A log of one JSON object a line. */
function jsonLog(write: Write): LineLog {
  const line = (level: string) => (fields: object, msg: string) => {
    const { err, ...rest } = fields as { err?: unknown }
    const error = err instanceof Error ? { error: messageWithCause(err) } : {}
    write(`${JSON.stringify({ time: new Date().toISOString(), level, msg, ...rest, ...error })}\n`)
  }
  return { info: line('info'), warn: line('warn') }
}
