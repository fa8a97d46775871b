/** Bad flags or arguments: exit status 2. The message says which and what would be right. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** A failure whose message is meant for the person at the keyboard: exit status 1. */
export class CliError extends Error {
  override readonly name: string = 'CliError'
  /** What to do now, as a sentence of its own. */
  readonly next: string | undefined

  constructor(message: string, next?: string, cause?: unknown) {
    super(message, { cause })
    this.next = next
  }
}
