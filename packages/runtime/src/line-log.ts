/** The few calls of a logger that programs for people use; pino has them too. */
export interface LineLog {
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
}

/** Writes for people: time, level, text; the error's message behind it. One line each. */
export function createLineLog(write: (line: string) => void, now: () => Date = () => new Date()): LineLog {
  const line = (level: string) => (fields: object, text: string) => {
    const error = (fields as { err?: unknown }).err
    const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : ''
    const suffix = error instanceof Error ? `: ${error.message}${cause}`.replace(/\s+/g, ' ') : ''
    write(`${now().toISOString()} ${level} ${text}${suffix}\n`)
  }
  return { info: line('info'), warn: line('warn') }
}
