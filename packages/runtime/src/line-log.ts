/** The few calls of a logger that programs for people use; pino has them too. */
export interface LineLog {
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
}

/** Writes for people: time, level, text; the error's message behind it. One line each. */
export function createLineLog(write: (line: string) => void, now: () => Date = () => new Date()): LineLog {
  const line = (level: string) => (fields: object, text: string) => {
    const error = (fields as { err?: unknown }).err
    const suffix = error instanceof Error ? `: ${error.message}${causeOf(error)}`.replace(/\s+/g, ' ') : ''
    write(`${now().toISOString()} ${level} ${text}${suffix}\n`)
  }
  return { info: line('info'), warn: line('warn') }
}

/** The cause in parentheses, unless the message says it already, or it is the peer's status, which is the message. */
function causeOf({ message, cause }: Error): string {
  if (!(cause instanceof Error) || 'metadata' in cause || message.includes(cause.message)) return ''
  return ` (${cause.message})`
}
