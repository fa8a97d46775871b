import { expect, test } from '@jest/globals'
import { CpuBudget } from './cpu-budget.ts'

function budget() {
  const clock = { ms: 0 }
  return { clock, budget: new CpuBudget(0.05, 500, () => clock.ms) }
}

test('a budget is over once more than its burst is owed, and its share pays that back', () => {
  const { clock, budget: of } = budget()
  of.charge(500)
  expect(of.isOver).toBe(false)
  of.charge(100)
  expect(of.isOver).toBe(true)
  clock.ms += 2_000
  expect(of.owedMs).toBe(500)
  expect(of.isOver).toBe(false)
})

test('a budget is far over at three times its burst', () => {
  const { budget: of } = budget()
  of.charge(1_500)
  expect(of.isFarOver).toBe(false)
  of.charge(1)
  expect(of.isFarOver).toBe(true)
})

test('a refund takes a charge back, and never makes a budget larger', () => {
  const { budget: of } = budget()
  of.charge(10)
  of.refund(30)
  expect(of.owedMs).toBe(0)
  of.charge(501)
  expect(of.isOver).toBe(true)
})

test('on average no more than the share is used, however often a budget is asked', () => {
  const { clock, budget: of } = budget()
  let usedMs = 0
  for (; clock.ms < 100_000; clock.ms += 1) {
    if (of.isOver) continue
    of.charge(2)
    usedMs += 2
  }
  expect(usedMs).toBeGreaterThan(0.05 * 100_000)
  expect(usedMs).toBeLessThan(0.05 * 100_000 + 500 + 3)
})

test('the largest debt is paid back in minutes', () => {
  const { clock, budget: of } = budget()
  of.charge(1e9)
  clock.ms += 5 * 60_000
  expect(of.isOver).toBe(false)
})
