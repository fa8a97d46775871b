import { fstatSync } from 'node:fs'
import type { Output } from '@muster/cli-kit'

/** The priority of each severity of the log, as syslog(3) numbers them. */
const PRIORITIES: Readonly<Record<string, number>> = { error: 3, info: 6, warn: 4 }

/** True if what this process writes to the descriptor goes to the journal of systemd (JOURNAL_STREAM in systemd.exec(5)). */
export function isJournal(descriptor: 1 | 2, env: NodeJS.ProcessEnv): boolean {
  const stream = env['JOURNAL_STREAM']
  if (!stream) return false
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true })
    return stream === `${dev}:${ino}`
  } catch {
    return false
  }
}

/** A line of the log as the journal reads it: the journal has the time already, and takes the priority from the beginning. */
export function journalLine(line: string): string {
  return line.replace(/^\S+ (\w+) /, (_, severity: string) => `<${PRIORITIES[severity] ?? 6}>`)
}

/**
 * Standard error for the journal: what a program says there that is no line of the log is why it ended, and gets the
 * priority of an error.
 */
export function errorsForJournal(stderr: Output): Output {
  return { ...stderr, write: (text) => stderr.write(text.replace(/^(?=[^<{\n])/gm, `<${PRIORITIES['error']}>`)) }
}
