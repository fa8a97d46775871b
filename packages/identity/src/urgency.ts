/** A request to renew a certificate before it is due, which also ends the wait for that time. */
export class Urgency {
  #controller = new AbortController()

  /** Whether a renewal is requested and has not happened yet. */
  get isRaised(): boolean {
    return this.#controller.signal.aborted
  }

  /** Aborts when a renewal is requested. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Requests a renewal. */
  raise(): void {
    this.#controller.abort()
  }

  /** Ends the request, once the renewal has happened. */
  clear(): void {
    if (this.isRaised) this.#controller = new AbortController()
  }
}
