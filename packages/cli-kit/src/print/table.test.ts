import { describe, expect, test } from '@jest/globals'
import { paint, table, tableOf, type Column } from './table.ts'

interface Row {
  id: string
  host: string
  labels: string
  details: string
}
const ID = '0a7e490f-15f5-45b2-9fd3-83926bee9ff6'
const ROW: Row = { id: ID, host: 'web-01', labels: 'env=prod,team=web', details: 'roles=node reason="out of date"' }
const HIDING: readonly Column<Row>[] = [
  { title: 'Host', text: ({ host }) => host, rank: 1 },
  { title: 'Id', text: ({ id }) => id },
  { title: 'Labels', text: ({ labels }) => labels, rank: 3 },
  { title: 'Details', text: ({ details }) => details, rank: 2 },
]
const STACKING = HIDING.map((column): Column<Row> => ({ ...column, ...(column.rank === 2 && { narrow: 'under' }) }))
const linesOf = (columns: readonly Column<Row>[], width?: number, rows = [ROW]) =>
  table(columns, rows, { width, colour: false }).trimEnd().split('\n')

describe('a table', () => {
  test('a table is complete in a pipe and on a terminal that is wide enough', () => {
    const whole = ['Host    Id', '------  ---', `web-01  ${ID}  env=prod,team=web  roles=node reason="out of date"`]
    for (const width of [undefined, 200, whole[2]!.length]) {
      expect(linesOf(HIDING, width)).toEqual([
        expect.stringContaining(whole[0]!),
        expect.stringContaining(whole[1]!),
        whole[2],
      ])
    }
  })

  test('a table that is too wide hides columns of the highest rank first, and names them', () => {
    expect(linesOf(HIDING, 90)).toEqual([
      'Host    Id                                    Details',
      `------  ${'-'.repeat(36)}  ${'-'.repeat(31)}`,
      `web-01  ${ID}  roles=node reason="out of date"`,
      'Not shown: Labels. Widen the terminal, or add -o json.',
    ])
  })

  test('a table that is too wide keeps a narrow column where a wider one of a lower rank does not fit', () => {
    expect(linesOf(HIDING, 70)[2]).toBe(`web-01  ${ID}  env=prod,team=web`)
    expect(linesOf(HIDING, 70).at(-1)).toMatch(/^Not shown: Details\./)
  })

  test('a table that is too wide puts under each row the columns that it must not hide', () => {
    expect(linesOf(STACKING, 70).slice(2)).toEqual([
      `web-01  ${ID}  env=prod,team=web`,
      '  Details: roles=node reason="out of date"',
    ])
    expect(linesOf(STACKING, 74, [{ ...ROW, details: '' }])[2]).toBe(`web-01  ${ID}  env=prod,team=web`)
  })

  test('a table puts under a row the values that make it longer than the rows before', () => {
    const { lines } = tableOf(STACKING, [{ ...ROW, details: '' }], { width: 80, colour: false })
    expect(lines([ROW]).split('\n')).toEqual([
      `web-01  ${ID}  env=prod,team=web`,
      '  Details: roles=node reason="out of date"',
      '',
    ])
  })

  test('a table becomes a block for each row where the columns that must stay do not fit', () => {
    expect(linesOf(HIDING, 35, [ROW, { ...ROW, details: '' }])).toEqual([
      'Host: web-01',
      'Id:',
      `  ${ID}`,
      'Labels: env=prod,team=web',
      'Details:',
      '  roles=node reason="out of date"',
      '',
      'Host: web-01',
      'Id:',
      `  ${ID}`,
      'Labels: env=prod,team=web',
    ])
  })

  test.each([10, 20, 40, 80, 120, 200])('a table at %d columns cuts no word and no id', (width) => {
    for (const columns of [HIDING, STACKING]) {
      const text = tableOf(columns, [ROW], { width, colour: false }).lines([ROW])
      const words = Object.values(ROW).flatMap((value) => value.split(/\s+|(?<=,)/))
      expect([...words, 'Host:', 'Id:', 'Labels:', 'Details:', '']).toEqual(
        expect.arrayContaining(text.split(/\s+|(?<=,)/)),
      )
      expect(text).toContain(ID)
    }
  })

  test('a table pads a coloured cell by its visible width', () => {
    const columns: Column<Row>[] = [{ title: 'Host', text: ({ host }) => host, paint: paint.red }, HIDING[1]!]
    expect(tableOf(columns, [{ ...ROW, host: 'web-0001' }], { width: 80, colour: true }).lines([ROW])).toBe(
      `\u001b[31mweb-01\u001b[39m    ${ID}\n`,
    )
  })
})
