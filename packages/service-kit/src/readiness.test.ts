import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { Lifecycle } from '@muster/runtime'
import { manualClock, type ManualClock } from '@muster/testkit'
import { watchReadiness } from './readiness.ts'

let clock: ManualClock
let life: Lifecycle
let reports: boolean[]
beforeEach(() => {
  clock = manualClock()
  life = new Lifecycle()
  reports = []
})
afterEach(() => life.close())

function watch(check: () => Promise<unknown>): void {
  watchReadiness({ check, report: (ready) => reports.push(ready), clock, life })
}

describe('readiness', () => {
  test('readiness is reported after each check, at once and then every three seconds', async () => {
    let works = true
    watch(async () => {
      if (!works) throw new Error('down')
    })
    await clock.advance(0)
    expect(reports).toEqual([true])
    works = false
    await clock.advance(3_000)
    works = true
    await clock.advance(3_000)
    expect(reports).toEqual([true, false, true])
  })

  test('readiness is lost when a check hangs', async () => {
    watch(() => new Promise(() => {}))
    await clock.advance(1_900)
    expect(reports).toEqual([])
    await clock.advance(100)
    expect(reports).toEqual([false])
  })

  test('a readiness check that answers in time leaves no timer behind', async () => {
    watch(async () => {})
    await clock.advance(0)
    expect(clock.sleepers).toBe(1)
  })

  test('readiness is not reported after its program has begun to close, even by a check that was running', async () => {
    let finish = () => {}
    watch(() => new Promise<void>((resolve) => (finish = resolve)))
    await life.close()
    finish()
    await clock.advance(20_000)
    expect(reports).toEqual([])
    expect(clock.sleepers).toBe(0)
  })
})
