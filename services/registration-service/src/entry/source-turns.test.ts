import { expect, test } from '@jest/globals'
import { MOST_AT_ONCE, SourceTurns } from './source-turns.ts'

/** Attempts that end when they are told to. */
function attempts(turns: SourceTurns, source: string, count: number) {
  const ends: (() => void)[] = []
  const all = Array.from({ length: count }, () =>
    turns.run(source, () => new Promise<void>((resolve) => ends.push(resolve))),
  )
  return { ends, all: Promise.all(all) }
}

test('a source has a limited number of attempts served at once, and the next one when one ends', async () => {
  const turns = new SourceTurns()
  const { ends, all } = attempts(turns, '10.0.0.1', 200)
  expect(ends).toHaveLength(MOST_AT_ONCE)
  for (let i = 0; i < 200; i++) {
    ends[i]!()
    await new Promise((resolve) => setImmediate(resolve))
    expect(ends).toHaveLength(Math.min(200, MOST_AT_ONCE + i + 1))
  }
  await all
})

test('a source waits for no other source', () => {
  const turns = new SourceTurns()
  attempts(turns, '10.0.0.1', 200)
  expect(attempts(turns, '10.0.0.2', 1).ends).toHaveLength(1)
})

test('an attempt that fails passes its place on', async () => {
  const turns = new SourceTurns()
  const fail = () => turns.run('10.0.0.1', () => Promise.reject(new Error('no')))
  const results = await Promise.allSettled(Array.from({ length: 3 * MOST_AT_ONCE }, fail))
  expect(new Set(results.map(({ status }) => status))).toEqual(new Set(['rejected']))
  expect(attempts(turns, '10.0.0.1', 100).ends).toHaveLength(MOST_AT_ONCE)
})
