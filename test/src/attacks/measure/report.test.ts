import { describe, expect, test } from '@jest/globals'
import { renderOutcomes, verdictOf } from './report.ts'
import type { Outcome } from './run-attack.ts'

function outcome(wanted: Partial<Outcome> = {}): Outcome {
  return {
    name: 'a-flood',
    tries: 'a flood',
    counts: { frames: 12_000 },
    stranger: { bytesSent: 2_500_000, cpuMs: 800 },
    server: { cpuMs: 40, wallMs: 4_000, coreShare: 0.01, isBarred: false },
    memory: { before: 100 << 20, peak: 130 << 20, after: 101 << 20, backAfterMs: 400 },
    honest: { joins: 20, lost: 0, errors: [], p50: 30, p99: 80, streamsCut: 0 },
    warnings: 1,
    counted: [],
    faults: [],
    ...wanted,
  }
}

describe('the result of an attack', () => {
  test('the result of an attack is that it was held, when nothing was wrong', () => {
    expect(verdictOf(outcome())).toBe('held')
  })

  test('the result of an attack says which share of a core it cost, when that is over five percent', () => {
    const server = { cpuMs: 1_600, wallMs: 4_000, coreShare: 0.4, isBarred: false }
    expect(verdictOf(outcome({ server }))).toBe('held, at 40 % of a core')
  })

  test('the result of an attack names everything that was wrong', () => {
    expect(verdictOf(outcome({ faults: ['2 joins were lost', '1 stream was cut'] }))).toBe(
      'NOT held: 2 joins were lost; 1 stream was cut',
    )
  })
})

test('the table in a pipe is complete, aligned and without colours', () => {
  const [titles, , row] = renderOutcomes([outcome()], { colour: false }).split('\n') as [string, string, string]
  expect(row).toContain('12,000 frames')
  expect(row).toContain('2,500 kB')
  expect(row).toContain('100 > 130 > 101')
  expect(row.indexOf('0 of 20')).toBe(titles.indexOf('Joins lost'))
  expect(row).not.toContain('\u001b')
})

test('the table on a terminal paints attacks that were not held red', () => {
  expect(renderOutcomes([outcome({ faults: ['lost'] })], { colour: true })).toContain('\u001b[31mNOT held')
})
