import { expect, test } from '@jest/globals'
import { manualClock } from '@muster/testkit'
import { memoryLog } from '@muster/testkit/log'
import { LogBudget } from './log-budget.ts'

test('strangers get 50 lines in ten seconds, and one line then counts the calls that were not logged', async () => {
  const clock = manualClock()
  const { log, lines } = memoryLog()
  const budget = new LogBudget('calls of strangers', log, clock)
  const taken = () => Array.from({ length: 100 }, () => budget.take()).filter(Boolean).length
  expect(taken()).toBe(50)
  expect(taken()).toBe(0)
  await clock.advance(10_000)
  expect(taken()).toBe(50)
  expect(lines).toMatchObject([
    { level: 'warn', event: 'calls.not-logged', skipped: 150, msg: 'calls of strangers were not logged' },
  ])
})
