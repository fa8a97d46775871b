import { fstatSync } from 'node:fs'

/** The priority of each severity of the log, as syslog(3) numbers them. */
const PRIORITIES: Readonly<Record<string, number>> = { info: 6, warn: 4 }

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
