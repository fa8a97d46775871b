import { beforeEach, describe, expect, test } from '@jest/globals'
import { manualClock, type ManualClock } from '@muster/testkit'
import { memoryLog } from '@muster/testkit/log'
import { type Background, type BackgroundTask, repeatEvery } from './background.ts'
import { Lifecycle } from './lifecycle.ts'

const SECOND = 1_000
let clock: ManualClock
let life: Lifecycle
let rounds: number
let failing: boolean
let counted: Record<string, number>
const { log, lines } = memoryLog()

beforeEach(() => {
  clock = manualClock()
  life = new Lifecycle()
  rounds = 0
  failing = false
  counted = {}
  lines.length = 0
})

function start(overrides: Partial<BackgroundTask> = {}): void {
  const inc = ({ task }: { task: string }, by = 1) => void (counted[task] = (counted[task] ?? 0) + by)
  const background: Background = { clock, log, life, failures: { inc } }
  const work = async () => {
    rounds += 1
    if (failing) throw new Error('no database')
  }
  repeatEvery({ task: 'sample-purge', everyMs: SECOND, work, ...overrides }, background)
}

const warnings = () => lines.filter(({ level }) => level === 'warn')

describe('a background task', () => {
  test('a background task runs at once and then after every pause', async () => {
    start()
    await clock.advance(0)
    expect(rounds).toBe(1)
    await clock.advance(3 * SECOND)
    expect(rounds).toBe(4)
    expect(lines).toEqual([])
    expect(counted).toEqual({ 'sample-purge': 0 })
    await life.close()
  })

  test('a background task asks how long to pause before each pause', async () => {
    let pauseMs = SECOND
    start({ everyMs: () => (pauseMs *= 2) })
    await clock.advance(14 * SECOND)
    expect(clock.sleeps).toEqual([2 * SECOND, 4 * SECOND, 8 * SECOND, 16 * SECOND])
    await life.close()
  })

  test('a background task that fails continues, and each failure is counted', async () => {
    failing = true
    start()
    await clock.advance(4 * SECOND)
    expect(rounds).toBe(5)
    expect(counted).toEqual({ 'sample-purge': 5 })
    await life.close()
  })

  test('a background task that keeps failing is a warning at once and then once a minute', async () => {
    failing = true
    start()
    await clock.advance(59 * SECOND)
    expect(warnings()).toMatchObject([{ task: 'sample-purge', failed: 1, err: { message: 'no database' } }])
    await clock.advance(2 * SECOND)
    expect(warnings()).toHaveLength(2)
    await life.close()
  })

  test('a background task that works again logs that, and its next failure is a warning at once', async () => {
    failing = true
    start()
    await clock.advance(2 * SECOND)
    failing = false
    await clock.advance(2 * SECOND)
    failing = true
    await clock.advance(SECOND)
    expect(lines.map(({ level, failed }) => [level, failed])).toEqual([
      ['warn', 1],
      ['info', 3],
      ['warn', 1],
    ])
    await life.close()
  })

  test('a background task is awaited when its program closes, and does not run again', async () => {
    let finish = () => {}
    let finished = false
    const work = async () => {
      rounds += 1
      await new Promise<void>((resolve) => (finish = resolve))
      finished = true
    }
    start({ work })
    const closing = life.close()
    finish()
    await closing
    expect(finished).toBe(true)
    await clock.advance(10 * SECOND)
    expect(rounds).toBe(1)
  })

  test('a background task that is interrupted by the end of its program has not failed', async () => {
    const work = (signal: AbortSignal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    start({ work })
    await life.close()
    expect(counted).toEqual({ 'sample-purge': 0 })
    expect(lines).toEqual([])
  })
})
