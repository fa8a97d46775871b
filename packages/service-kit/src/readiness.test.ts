import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { watchReadiness } from './readiness.ts'

let stop = () => {}
beforeEach(() => {
  jest.useFakeTimers()
})
afterEach(() => {
  stop()
  jest.useRealTimers()
})

describe('readiness', () => {
  test('is told after each check', async () => {
    const reports: boolean[] = []
    let works = true
    stop = watchReadiness(
      async () => {
        if (!works) throw new Error('down')
      },
      (ready) => reports.push(ready),
    )
    await jest.advanceTimersByTimeAsync(0)
    expect(reports).toEqual([true])
    works = false
    await jest.advanceTimersByTimeAsync(3_000)
    works = true
    await jest.advanceTimersByTimeAsync(3_000)
    expect(reports).toEqual([true, false, true])
  })

  test('is lost when a check hangs', async () => {
    const reports: boolean[] = []
    stop = watchReadiness(
      () => new Promise(() => {}),
      (ready) => reports.push(ready),
    )
    await jest.advanceTimersByTimeAsync(2_500)
    expect(reports).toEqual([false])
  })

  test('is not told any more once it is stopped, even by a check that was under way', async () => {
    const reports: boolean[] = []
    stop = watchReadiness(
      () => new Promise((resolve) => setTimeout(resolve, 1_000)),
      (ready) => reports.push(ready),
    )
    stop()
    await jest.advanceTimersByTimeAsync(20_000)
    expect(reports).toEqual([])
    expect(jest.getTimerCount()).toBe(0)
  })
})
