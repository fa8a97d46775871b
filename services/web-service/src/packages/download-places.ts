import { sourceOf } from '@muster/domain'
import { Progress } from './progress.ts'

/** A download holds a file and a buffer for as long as its reader likes. */
const MOST = 256
const MOST_OF_A_SOURCE = 32

/** The place of one download. */
export interface Place {
  readonly progress: Progress
  /** Gives the place back. Safe to repeat. */
  leave(): void
}

interface TakenPlace extends Place {
  end(): void
}

/**
 * Limits the downloads in progress, in all and of one source. When no place is free, a slow reader loses its own to a newcomer;
 * the source with the most slow readers goes first. Where nobody is slow, the source with the most downloads makes room for a
 * source that has fewer.
 */
export class DownloadPlaces {
  readonly #bySource = new Map<string, Set<TakenPlace>>()
  readonly #now: () => number
  #taken = 0

  /** `now` gives milliseconds that never go back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Takes a place. `end` is called if the download must make room. @returns undefined if there is no place */
  take(remoteAddress: string, end: () => void): Place | undefined {
    const source = sourceOf(remoteAddress)
    if (!this.#makeRoom(this.#bySource.get(source) ?? new Set())) return undefined
    const places = this.#bySource.get(source) ?? new Set()
    const place: TakenPlace = { progress: new Progress(this.#now), leave: () => this.#leave(source, place), end }
    this.#bySource.set(source, places.add(place))
    this.#taken += 1
    return place
  }

  #leave(source: string, place: TakenPlace): void {
    const places = this.#bySource.get(source)
    if (places?.delete(place) !== true) return
    this.#taken -= 1
    if (places.size === 0) this.#bySource.delete(source)
  }

  #makeRoom(own: Set<TakenPlace>): boolean {
    const ofSourceIsFull = own.size >= MOST_OF_A_SOURCE
    if (!ofSourceIsFull && this.#taken < MOST) return true
    const victim = ofSourceIsFull ? slowest(slowOf(own)) : this.#victimFor(own.size)
    victim?.leave()
    victim?.end()
    return victim !== undefined
  }

  #victimFor(own: number): TakenPlace | undefined {
    const sources = [...this.#bySource.values()].map((places) => [...places])
    const slow = slowest(largest(sources.map(slowOf)))
    if (slow !== undefined) return slow
    const busiest = largest(sources)
    // The newcomer's source has no more than the other one afterwards.
    return busiest.length >= own + 2 ? slowest(busiest) : undefined
  }
}

function slowOf(places: Iterable<TakenPlace>): TakenPlace[] {
  return [...places].filter(({ progress }) => progress.isSlow)
}

function largest(groups: readonly TakenPlace[][]): TakenPlace[] {
  return groups.reduce((most, group) => (group.length > most.length ? group : most), [])
}

/** The oldest one of several that are equally slow. */
function slowest(places: readonly TakenPlace[]): TakenPlace | undefined {
  const rates = places.map(({ progress }) => progress.bytesPerSecond)
  return places[rates.indexOf(Math.min(...rates))]
}
