import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { systemClock } from './clock.ts'

beforeEach(() => {
  jest.useFakeTimers()
})
afterEach(() => {
  jest.useRealTimers()
})

function watch(promise: Promise<void>): { state: () => string } {
  let state = 'asleep'
  promise.then(
    () => (state = 'awake'),
    (error: Error) => (state = error.message),
  )
  return { state: () => state }
}

describe("the machine's clock", () => {
  test("the machine's clock sleeps as long as it is told", async () => {
    const sleep = watch(systemClock.sleep(1_000, new AbortController().signal))
    await jest.advanceTimersByTimeAsync(999)
    expect(sleep.state()).toBe('asleep')
    await jest.advanceTimersByTimeAsync(1)
    expect(sleep.state()).toBe('awake')
  })

  test("the machine's clock sleeps for longer than a timer of Node can", async () => {
    const fortyDaysMs = 40 * 86_400_000
    const sleep = watch(systemClock.sleep(fortyDaysMs, new AbortController().signal))
    await jest.advanceTimersByTimeAsync(fortyDaysMs - 1)
    expect(sleep.state()).toBe('asleep')
    await jest.advanceTimersByTimeAsync(1)
    expect(sleep.state()).toBe('awake')
  })

  test("the machine's clock wakes with the reason when it is told to stop, and leaves no timer behind", async () => {
    const stop = new AbortController()
    const sleep = watch(systemClock.sleep(1_000, stop.signal))
    stop.abort(new Error('stopped'))
    await jest.advanceTimersByTimeAsync(0)
    expect(sleep.state()).toBe('stopped')
    expect(jest.getTimerCount()).toBe(0)
  })

  test("the machine's clock does not sleep when it was told to stop before", async () => {
    const sleep = watch(systemClock.sleep(1_000, AbortSignal.abort('a reason that is no error')))
    await jest.advanceTimersByTimeAsync(0)
    expect(sleep.state()).toBe('aborted')
    expect(jest.getTimerCount()).toBe(0)
  })
})
