/** The part of a logger that command-line programs use. A pino logger fits. */
export interface LineLog {
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
}

/** Creates a log for people. Each entry is one line: time, level, text, and the message of an error. */
export function createLineLog(write: (line: string) => void, now: () => Date = () => new Date()): LineLog {
  const line = (level: string) => (fields: object, text: string) => {
    const error = (fields as { err?: unknown }).err
    const suffix = error instanceof Error ? `: ${messageWithCause(error)}`.replace(/\s+/g, ' ') : ''
    write(`${now().toISOString()} ${level} ${text}${suffix}\n`)
  }
  return { info: line('info'), warn: line('warn') }
}

/**
 * The message of an error, then that of its cause in parentheses. Without the cause if the message contains it, or if it is
 * the status of the peer, whose text is the message.
 */
export function messageWithCause({ message, cause }: Error): string {
  if (!(cause instanceof Error) || 'metadata' in cause || message.includes(cause.message)) return message
  return `${message} (${cause.message})`
}
