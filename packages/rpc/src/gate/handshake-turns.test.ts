import { expect, test } from '@jest/globals'
import { eventually } from '@muster/testkit'
import { HandshakeTurns, type Handshaker } from './handshake-turns.ts'
import { SourceLedger } from './source-ledger.ts'

const ledger = () => {
  const all = new SourceLedger()
  const begun: string[] = []
  let made = 0
  const from = (name: string): Handshaker => {
    const label = `${name}${(made += 1)}`
    return { source: all.entryOf(name), bytesRead: 0, begin: () => void begun.push(label), destroy: () => {} }
  }
  return { from, begun }
}

/** Lets `turns` end slow handshakes, and tells which; a test ends with `close`. */
function turnsThatEnd(limits: { handshakes: number; handshakesPerSource: number }) {
  const ended: Handshaker[] = []
  const turns: HandshakeTurns = new HandshakeTurns({
    ...limits,
    onTooSlow(connection) {
      ended.push(connection)
      turns.leave(connection)
    },
  })
  return { turns, ended }
}

const turnsOf = (limits: { handshakes: number; handshakesPerSource: number }) =>
  new HandshakeTurns({ ...limits, onTooSlow: () => {} })

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

test('a source with many connections delays another source by one turn', () => {
  const { from, begun } = ledger()
  const turns = turnsOf({ handshakes: 1, handshakesPerSource: 1 })
  const crowd = Array.from({ length: 100 }, () => from('crowd'))
  for (const connection of crowd) turns.enter(connection)
  turns.enter(from('honest'))
  turns.leave(crowd[0]!)
  turns.leave(crowd[1]!)
  expect(begun).toEqual(['crowd1', 'crowd2', 'honest101'])
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

test('handshakes of a suspect source run one at a time', () => {
  const { from, begun } = ledger()
  const turns = turnsOf({ handshakes: 10, handshakesPerSource: 10 })
  const [first, second, third] = [from('a'), from('a'), from('a')]
  first.source.isSuspect = true
  for (const connection of [first, second, third]) turns.enter(connection)
  expect(begun).toEqual(['a1'])
  turns.leave(first)
  expect(begun).toEqual(['a1', 'a2'])
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
