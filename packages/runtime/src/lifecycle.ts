import { setMaxListeners } from 'node:events'
import type { Logger } from './logger.ts'

/** A stack of open resources. It closes them in reverse order; after a failed close it logs the error and continues. */
export class Lifecycle {
  readonly #closers: { name: string; close: () => unknown }[] = []
  readonly #abort = newController()
  #closing: Promise<void> | undefined

  /** Aborts when closing starts. Loops and timers stop on it. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Adds `value` and how to close it, and returns `value`. */
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

/** Each background task waits on the signal, and Node would warn of a leak from the eleventh on. */
function newController(): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}
