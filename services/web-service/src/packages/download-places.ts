import { sourceOf } from '@muster/domain'

/** A download holds a file and a buffer for as long as its reader likes. */
const MOST = 256
const MOST_OF_A_SOURCE = 32

/** Limits the downloads in progress, in all and of one source, so that slow readers leave room for others. */
export class DownloadPlaces {
  readonly #bySource = new Map<string, number>()
  #taken = 0

  /** Takes a place. @returns how to give it back, once or more often; undefined if there is no place */
  take(remoteAddress: string): (() => void) | undefined {
    const source = sourceOf(remoteAddress)
    const ofSource = this.#bySource.get(source) ?? 0
    if (this.#taken >= MOST || ofSource >= MOST_OF_A_SOURCE) return undefined
    this.#taken += 1
    this.#bySource.set(source, ofSource + 1)
    let isTaken = true
    return () => {
      if (!isTaken) return
      isTaken = false
      this.#taken -= 1
      const left = this.#bySource.get(source)! - 1
      if (left === 0) this.#bySource.delete(source)
      else this.#bySource.set(source, left)
    }
  }
}
