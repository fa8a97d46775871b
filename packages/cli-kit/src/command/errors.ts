/** Bad flags or arguments: exit status 2. The message names them and what is valid. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** A failure with a message for people: exit status 1. */
export class CliError extends Error {
  override readonly name: string = 'CliError'
  /** What to do next, as a sentence of its own. */
  readonly next: string | undefined

  constructor(message: string, next?: string, cause?: unknown) {
    super(message, { cause })
    this.next = next
  }
}
