import { describe, expect, test } from '@jest/globals'
import { compared, renderTable, verdict, type Line } from './report.ts'

const line = (given: Partial<Line>): Line => ({ what: 'a join', value: 6, unit: 'ms', ...given })
const floor = { what: 'a bare call', value: 2 }

describe('a figure against its floor', () => {
  test('a figure against its floor is a ratio, or a difference where that is asked for', () => {
    expect(compared(line({ floor }))).toBe(3)
    expect(compared(line({ floor, by: 'difference' }))).toBe(4)
    expect(compared(line({}))).toBeUndefined()
  })

  test('a figure against its floor says by how much it falls short of its target', () => {
    expect(verdict(line({ floor, target: { atMost: 2.5 } }))).toBe('short by 20 %')
    expect(verdict(line({ floor, target: { atMost: 3 } }))).toBe('ok')
    expect(verdict(line({ floor, target: { atLeast: 6 } }))).toBe('short by 100 %')
    expect(verdict(line({ floor, by: 'difference', target: { atMost: 4 } }))).toBe('ok')
    expect(verdict(line({}))).toBeUndefined()
  })

  test('a figure against its floor is not met when nothing was measured', () => {
    expect(verdict(line({ value: Number.NaN, floor, target: { atMost: 3 } }))).toBe('not measured')
  })
})

test('the table shows each figure beside floor, ratio, target and verdict', () => {
  const lines = [line({ floor, target: { atMost: 2.5 } }), { what: 'joins', value: 12_345.6, unit: '/s' }]
  const table = renderTable([{ row: 'joins', title: 'Joins', lines, notes: ['A note.'] }])
  expect(table).toMatch(/^ {2}a join +6\.00 ms +2\.00 ms +3\.00 x +<= 2\.5 x +short by 20 % +a bare call$/m)
  expect(table).toMatch(/^ {2}joins +12 346 \/s$/m)
  expect(table).toContain('\nA note.\n')
})
