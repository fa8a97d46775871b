/** The part of a logger that command-line programs use. A pino logger fits. */
export interface LineLog {
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
}

/** Creates a log for people. Each entry is one line: time, level, text, and the message of an error. */
export function createLineLog(write: (line: string) => void, now: () => Date = () => new Date()): LineLog {
  const line = (level: string) => (fields: object, text: string) => {
    const error = (fields as { err?: unknown }).err
    const suffix = error instanceof Error ? `: ${error.message}${causeOf(error)}`.replace(/\s+/g, ' ') : ''
    write(`${now().toISOString()} ${level} ${text}${suffix}\n`)
  }
  return { info: line('info'), warn: line('warn') }
}

/** The cause in parentheses, unless the message contains it, or it is the status of the peer, whose text is the message. */
function causeOf({ message, cause }: Error): string {
  if (!(cause instanceof Error) || 'metadata' in cause || message.includes(cause.message)) return ''
  return ` (${cause.message})`
}
