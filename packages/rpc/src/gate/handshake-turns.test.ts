import { expect, test } from '@jest/globals'
import { eventually } from '@muster/testkit'
import { CpuBudget } from './cpu-budget.ts'
import { HandshakeTurns, type Handshaker } from './handshake-turns.ts'
import { SourceLedger } from './source-ledger.ts'

const ledger = () => {
  const all = new SourceLedger(0.05)
  const begun: string[] = []
  let made = 0
  const from = (name: string): Handshaker => {
    const label = `${name}${(made += 1)}`
    return { source: all.entryOf(name), bytesRead: 0, begin: () => void begun.push(label), destroy: () => {} }
  }
  return { from, begun }
}

/** Turns that end slow handshakes, and which were ended. */
function turnsThatEnd(limits: { handshakes: number; handshakesPerSource: number }) {
  const ended: Handshaker[] = []
  const onTooSlow = (connection: Handshaker) => {
    ended.push(connection)
    turns.leave(connection)
  }
  const turns: HandshakeTurns = new HandshakeTurns({ budget: new CpuBudget(1, 100_000), ...limits, onTooSlow })
  return { turns, ended }
}

const turnsOf = (limits: { handshakes: number; handshakesPerSource: number; budget?: CpuBudget }) =>
  new HandshakeTurns({ budget: new CpuBudget(1, 100_000), ...limits, onTooSlow: () => {} })

test('handshakes run up to the limit, and each that ends lets the next one run', () => {
  const { from, begun } = ledger()
  const turns = turnsOf({ handshakes: 2, handshakesPerSource: 2 })
  const [a, b, c] = [from('a'), from('b'), from('c')]
  for (const connection of [a, b, c]) turns.enter(connection)
  expect(begun).toEqual(['a1', 'b2'])
  turns.leave(a)
  expect(begun).toEqual(['a1', 'b2', 'c3'])
  turns.leave(b)
  turns.leave(c)
  expect(turns.running).toBe(0)
})

test('a source with many connections delays another source by no more than the turn that is under way', () => {
  const { from, begun } = ledger()
  const turns = turnsOf({ handshakes: 1, handshakesPerSource: 1 })
  const crowd = Array.from({ length: 100 }, () => from('crowd'))
  for (const connection of crowd) turns.enter(connection)
  const honest = from('honest')
  turns.enter(honest)
  turns.leave(crowd[0]!)
  turns.leave(honest)
  expect(begun).toEqual(['crowd1', 'honest101', 'crowd2'])
})

test('a source at its own limit leaves the other turns to other sources', () => {
  const { from, begun } = ledger()
  const turns = turnsOf({ handshakes: 10, handshakesPerSource: 2 })
  for (const name of ['a', 'a', 'a', 'a', 'b']) turns.enter(from(name))
  expect(begun).toEqual(['a1', 'a2', 'b5'])
})

test('a connection that leaves the queue gets no turn', () => {
  const { from, begun } = ledger()
  const turns = turnsOf({ handshakes: 1, handshakesPerSource: 1 })
  const [first, second, third] = [from('a'), from('a'), from('a')]
  for (const connection of [first, second, third]) turns.enter(connection)
  turns.leave(second)
  turns.leave(first)
  expect(begun).toEqual(['a1', 'a3'])
})

test('a source over its budget waits, and the others do not', () => {
  const { from, begun } = ledger()
  const turns = turnsOf({ handshakes: 10, handshakesPerSource: 10 })
  const [first, second, third] = [from('a'), from('a'), from('a')]
  turns.enter(first)
  first.source.budget.charge(10_000)
  for (const connection of [second, third, from('b')]) turns.enter(connection)
  expect(begun).toEqual(['a1', 'b4'])
  first.source.budget.refund(20_000)
  turns.leave(first)
  expect(begun).toEqual(['a1', 'b4', 'a2', 'a3'])
})

test('handshakes are charged when they begin, so a source without members begins no more than its budget allows', () => {
  const { from, begun } = ledger()
  const turns = turnsOf({ handshakes: 10_000, handshakesPerSource: 10_000 })
  for (let i = 0; i < 1_000; i++) turns.enter(from('a'))
  expect(begun.length).toBeGreaterThanOrEqual(200)
  expect(begun.length).toBeLessThan(250)
})

test('while the budget of all strangers is over, every source waits, and then the one that owes least is next', () => {
  const { from, begun } = ledger()
  const budget = new CpuBudget(1, 100, () => 0)
  const turns = turnsOf({ handshakes: 10, handshakesPerSource: 10, budget })
  budget.charge(200)
  const [flood, honest] = [from('flood'), from('honest')]
  flood.source.budget.charge(100)
  for (const connection of [flood, honest]) turns.enter(connection)
  expect(begun).toEqual([])
  budget.refund(100.3)
  turns.enter(from('next'))
  expect(begun).toEqual(['honest2'])
  budget.refund(100)
  turns.enter(from('last'))
  expect(begun).toEqual(['honest2', 'next3', 'last4', 'flood1'])
})

test('a source with members does not wait for the budget of all strangers, and is before sources without', () => {
  const { from, begun } = ledger()
  const budget = new CpuBudget(1, 100, () => 0)
  const turns = turnsOf({ handshakes: 1, handshakesPerSource: 1, budget })
  const running = from('a')
  turns.enter(running)
  budget.charge(200)
  const known = from('known')
  known.source.members = 1
  known.source.budget.charge(100)
  for (const connection of [from('b'), from('c'), known]) turns.enter(connection)
  turns.leave(running)
  expect(begun).toEqual(['a1', 'known2'])
})

test('a source without a turn gets that of a stalled handshake of the busiest source, and the turns of others stay', async () => {
  const { from, begun } = ledger()
  const { turns, ended } = turnsThatEnd({ handshakes: 3, handshakesPerSource: 2 })
  const [first, second, other] = [from('crowd'), from('crowd'), from('other')]
  for (const connection of [first, other, second]) turns.enter(connection)
  turns.enter(from('crowd'))
  turns.enter(from('honest'))
  await eventually('begun', () => begun.includes('honest5'))
  expect(ended).toEqual([first])
  expect(begun).toEqual(['crowd1', 'other3', 'crowd2', 'honest5'])
  turns.close()
})

test('a handshake that makes progress keeps its turn while a source without one waits', async () => {
  const { from, begun } = ledger()
  const { turns, ended } = turnsThatEnd({ handshakes: 2, handshakesPerSource: 2 })
  let bytesRead = 0
  const busy: Handshaker = {
    ...from('crowd'),
    get bytesRead() {
      return (bytesRead += 1)
    },
  }
  const stalled = from('crowd')
  for (const connection of [busy, stalled, from('honest')]) turns.enter(connection)
  await eventually('begun', () => begun.includes('honest3'))
  expect(ended).toEqual([stalled])
  turns.close()
})
