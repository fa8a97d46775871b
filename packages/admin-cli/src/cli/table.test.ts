import { describe, expect, test } from '@jest/globals'
import { table, type Column } from './table.ts'

type Row = readonly [name: string, actor: string, details: string]
const COLUMNS: readonly Column<Row>[] = [
  { title: 'Name', text: ([name]) => name },
  { title: 'Actor', text: ([, actor]) => actor, flexible: true },
  { title: 'Details', text: ([, , details]) => details, flexible: true },
]
const ROW: Row = ['a-name-of-any-length', 'user/operator', 'roles=["node"] hostname=web-01']
const lastLine = (width?: number) => table(COLUMNS, [ROW], { width, colour: false }).trimEnd().split('\n').at(-1)

describe('a table that is too wide for the terminal', () => {
  test('is whole where there is no terminal, or enough room', () => {
    expect(lastLine()).toBe(ROW.join('  '))
    expect(lastLine(120)).toBe(ROW.join('  '))
  })

  test('cuts the widest column first, so that a short one stays readable', () => {
    expect(lastLine(55)).toBe('a-name-of-any-length  user/operator  roles=["node"] ho…')
    expect(lastLine(48)).toBe('a-name-of-any-length  user/operat…  roles=["nod…')
  })

  test('cuts ids when nothing else is left to cut, and leaves eight characters of them', () => {
    const id = '0a7e490f-15f5-45b2-9fd3-83926bee9ff6'
    const columns: readonly Column<Row>[] = [{ title: 'Id', text: () => id, flexible: 'last' }, ...COLUMNS]
    const line = (width: number) => table(columns, [ROW], { width, colour: false }).trimEnd().split('\n').at(-1)
    expect(line(80)).toBe(`${id}  a-name-of-any-length  user/ope…  roles=["…`)
    expect(line(60)).toBe(`${id.slice(0, 15)}…  a-name-of-any-length  user/ope…  roles=["…`)
    expect(line(10)).toBe(`${id.slice(0, 8)}…  a-name-of-any-length  user/ope…  roles=["…`)
  })

  test('leaves each column something, and columns that must be whole', () => {
    expect(lastLine(10)).toBe('a-name-of-any-length  user/ope…  roles=["…')
    expect(table([COLUMNS[0]!], [ROW], { width: 5, colour: false })).toContain(ROW[0])
  })
})
