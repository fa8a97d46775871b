import type { Authorities } from './authorities.ts'

/** A rotation has moved since the authorities were loaded, so nothing was signed. */
export class OutdatedAuthorities extends Error {
  override readonly name = 'OutdatedAuthorities'
}

/** Moves are rare: more than a few in the time of one call mean that something else is wrong. */
const MAX_TRIES = 5

/** The authorities of this replica: loaded once, and again whenever a rotation has moved. */
export class CurrentAuthorities {
  readonly #load: () => Promise<Authorities>
  readonly #listeners = new Set<() => void>()
  #current: Authorities

  /** @param load reads the authorities from the database */
  static async open(load: () => Promise<Authorities>): Promise<CurrentAuthorities> {
    return new CurrentAuthorities(await load(), load)
  }

  private constructor(first: Authorities, load: () => Promise<Authorities>) {
    this.#current = first
    this.#load = load
  }

  /** The authorities as last loaded. */
  get current(): Authorities {
    return this.#current
  }

  /** Loads the authorities again. While they cannot be loaded, the last ones stay in use. */
  async reload(): Promise<void> {
    const loaded = await this.#load()
    // Two loads may overlap; the result of the earlier one must not replace that of the later one.
    if (loaded.revision < this.#current.revision) return
    const isNew = loaded.revision > this.#current.revision
    this.#current = loaded
    if (isNew) for (const listener of this.#listeners) listener()
  }

  /** Loads the authorities again if the database has another revision. */
  async follow(currentRevision: () => Promise<number>): Promise<void> {
    if ((await currentRevision()) !== this.#current.revision) await this.reload()
  }

  /** Does work with the authorities. Loads them and starts again if the work finds them outdated. */
  async use<T>(work: (authorities: Authorities) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work(this.#current)
      } catch (error) {
        if (!(error instanceof OutdatedAuthorities) || attempt === MAX_TRIES) throw error
        await this.reload()
      }
    }
  }

  /** Calls `listener` after each load that brought a change; returns a function that stops it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
