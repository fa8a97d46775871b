import type { Logger } from './logger.ts'

/** A stack of things that are open. Closing goes in reverse order; a failed close is logged and the rest still closes. */
export class Lifecycle {
  readonly #closers: { name: string; close: () => unknown }[] = []
  readonly #abort = new AbortController()
  #closing: Promise<void> | undefined

  /** Aborts when closing begins; loops and timers end by it. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Remembers how `value` closes, and returns it. */
  own<T>(name: string, value: T, close: (value: T) => unknown): T {
    this.#closers.push({ name, close: () => close(value) })
    return value
  }

  /** Closes everything, once; every caller gets the same promise. */
  close(log?: Logger): Promise<void> {
    this.#closing ??= this.#closeAll(log)
    return this.#closing
  }

  async #closeAll(log?: Logger): Promise<void> {
    this.#abort.abort(new Error('shutting down'))
    for (const { name, close } of this.#closers.splice(0).reverse()) {
      try {
        await close()
      } catch (error) {
        log?.error({ err: error, part: name }, 'failed to close')
      }
    }
  }
}
