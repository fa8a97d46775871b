import { setImmediate as nextTurn } from 'node:timers/promises'

/** A clock that stands still until a test moves it. Implements the runtime's Clock. */
export interface ManualClock {
  now(): Date
  elapsedMs(): number
  sleep(ms: number, signal: AbortSignal): Promise<void>
  /** The requested length of each sleep so far, in milliseconds. */
  readonly sleeps: readonly number[]
  /** How many callers sleep now. */
  readonly sleepers: number
  /** Moves the time on. Sleepers wake in order, each at its own time, and may sleep again before the next one wakes. */
  advance(ms: number): Promise<void>
  /** Sets the clock by this much, as a person or NTP does. No time passes, and nobody wakes. */
  step(ms: number): void
}

interface Sleeper {
  at: number
  wake: () => void
}

/** A clock at `start`, by default the present, since TLS checks certificates by the machine's clock. */
export function manualClock(start: Date = new Date()): ManualClock {
  // Since the start, by a clock that nobody sets.
  let time = 0
  let setAt = start.getTime()
  const sleeps: number[] = []
  const asleep = new Set<Sleeper>()
  const nextBefore = (end: number) => [...asleep].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
  return {
    now: () => new Date(setAt + time),
    elapsedMs: () => time,
    step(ms) {
      setAt += ms
    },
    sleeps,
    get sleepers() {
      return asleep.size
    },
    sleep(ms, signal) {
      sleeps.push(ms)
      return new Promise((resolve, reject) => {
        const abort = () => {
          asleep.delete(sleeper)
          reject(signal.reason as Error)
        }
        const wake = () => {
          asleep.delete(sleeper)
          signal.removeEventListener('abort', abort)
          resolve()
        }
        const sleeper = { at: time + ms, wake }
        if (signal.aborted) {
          reject(signal.reason as Error)
          return
        }
        asleep.add(sleeper)
        signal.addEventListener('abort', abort, { once: true })
      })
    },
    async advance(ms) {
      const end = time + ms
      await nextTurn()
      for (let next = nextBefore(end); next !== undefined; next = nextBefore(end)) {
        time = Math.max(time, next.at)
        next.wake()
        await nextTurn()
      }
      time = end
    },
  }
}
