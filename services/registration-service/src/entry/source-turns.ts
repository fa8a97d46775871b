/** How many attempts of one source a replica serves at once. This does not slow a fleet that joins from one address. */
export const MOST_AT_ONCE = 64

interface Source {
  atOnce: number
  readonly waiting: (() => void)[]
}

/**
 * Serves a bounded number of attempts of each source at once, first come, first served. When a flood begins, its first
 * refusals are known before its other attempts are served.
 */
export class SourceTurns {
  readonly #sources = new Map<string, Source>()

  /** Runs `serve` in its turn. */
  async run<T>(name: string, serve: () => Promise<T>): Promise<T> {
    const source = this.#sources.get(name) ?? { atOnce: 0, waiting: [] }
    this.#sources.set(name, source)
    // A finished attempt hands its place to the next.
    if (source.atOnce >= MOST_AT_ONCE) await new Promise<void>((resolve) => source.waiting.push(resolve))
    else source.atOnce += 1
    try {
      return await serve()
    } finally {
      const next = source.waiting.shift()
      if (next !== undefined) next()
      else if (--source.atOnce === 0) this.#sources.delete(name)
    }
  }
}
