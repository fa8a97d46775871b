import { safeText } from '@muster/domain/safe-text'
import type { Output } from '../command/io.ts'
import { lengthOf, pad, wrapped } from './text-width.ts'

/** A column of a table. */
export interface Column<T> {
  title: string
  text: (row: T) => string
  /** When a terminal is too narrow, columns with the highest number give way first. Absent: the column always stays. */
  rank?: number
  /** Where a column goes that gives way: out of the table, with a note, or under each row. Absent: out of the table. */
  narrow?: 'under'
  /** Colours a finished cell; used on a terminal only. */
  paint?: (cell: string, row: T) => string
}

/** The width and colours of an output. */
export interface TableStyle {
  /** Columns give way until lines fit this; absent: the table is whole. */
  width?: number | undefined
  colour: boolean
}

/** A table with a fixed layout. */
export interface Table<T> {
  /** The titles and the line under them; empty if each row is a block of its own. */
  head: string
  /** Rows, each line ended. A cell wider than its column pushes the rest of its line to the right. */
  lines(rows: readonly T[]): string
  /** Titles of the columns that are not shown. */
  hidden: readonly string[]
}

const GAP = 2
const INDENT = 2

/**
 * Lays a table out by its first rows; more may follow. On a terminal that is too narrow columns give way by their rank, and
 * if those that must stay do not fit either, each row becomes a block of lines. Nothing is cut. Cells are made safe to show.
 */
export function tableOf<T>(columns: readonly Column<T>[], first: readonly T[], style: TableStyle): Table<T> {
  const widths = new Map(columns.map((column) => [column, widthOf(column, first)]))
  const shown = columnsThatFit(columns, widths, style.width)
  if (shown === undefined) return blocksOf(columns, style)
  const under = columns.filter((column) => column.narrow === 'under' && !shown.includes(column))
  const row = (item: T) => {
    const moved = [...under, ...overflowOf(shown, widths, item, style.width)]
    const cell = (column: Column<T>) => (moved.includes(column) ? '' : cellOf(column, item, widths.get(column)!, style))
    return (
      lineOf(shown, widths, cell) +
      linesUnder(
        columns.filter((column) => moved.includes(column)),
        item,
        style,
      )
    )
  }
  return {
    head:
      lineOf(shown, widths, ({ title }) => title) + lineOf(shown, widths, (column) => '-'.repeat(widths.get(column)!)),
    lines: (rows) => rows.map(row).join(''),
    hidden: columns.filter((column) => !shown.includes(column) && !under.includes(column)).map(({ title }) => title),
  }
}

/** A whole table, with a note about what it hides. */
export function table<T>(columns: readonly Column<T>[], rows: readonly T[], style: TableStyle): string {
  const { head, lines, hidden } = tableOf(columns, rows, style)
  return head + lines(rows) + hiddenNote(hidden)
}

/** Names the columns that are not shown and how to see them; empty if there are none. */
export function hiddenNote(hidden: readonly string[]): string {
  return hidden.length === 0 ? '' : `Not shown: ${hidden.join(', ')}. Widen the terminal, or add -o json.\n`
}

/** The style of tables on this output; in a pipe a table is whole and without colours. */
export function styleFor(output: Output, env: Readonly<Record<string, string | undefined>>): TableStyle {
  if (output.isTTY !== true) return { colour: false }
  // https://no-color.org: present and not empty, whatever its value.
  const wantsNone = (env.NO_COLOR ?? '') !== '' || env.TERM === 'dumb'
  return { width: output.columns, colour: !wantsNone }
}

/** Lines of a label and a value, with aligned values. Values are made safe to show. */
export function facts(rows: readonly (readonly [label: string, value: string])[]): string {
  const width = Math.max(...rows.map(([label]) => label.length)) + GAP
  return rows.map(([label, value]) => `${label.padEnd(width)}${safeText(value)}\n`).join('')
}

/** Terminal colours. */
export const paint = {
  green: (text: string) => `\u001b[32m${text}\u001b[39m`,
  yellow: (text: string) => `\u001b[33m${text}\u001b[39m`,
  red: (text: string) => `\u001b[31m${text}\u001b[39m`,
  bold: (text: string) => `\u001b[1m${text}\u001b[22m`,
}

type Widths<T> = ReadonlyMap<Column<T>, number>

function widthOf<T>(column: Column<T>, rows: readonly T[]): number {
  return rows.reduce((most, row) => Math.max(most, lengthOf(textOf(column, row))), lengthOf(column.title))
}

function textOf<T>({ text }: Column<T>, row: T): string {
  return safeText(text(row))
}

/** The columns to show in this width, in their order; undefined if those that must stay do not fit. */
function columnsThatFit<T>(
  columns: readonly Column<T>[],
  widths: Widths<T>,
  limit = Infinity,
): readonly Column<T>[] | undefined {
  const fits = (some: readonly Column<T>[]) =>
    some.reduce((sum, column) => sum + widths.get(column)! + GAP, -GAP) <= limit
  if (fits(columns)) return columns
  let chosen = columns.filter(({ rank }) => rank === undefined)
  if (!fits(chosen)) return undefined
  // In order of rank: a narrow column may still fit where a wider one of a lower rank did not.
  for (const column of columns.filter(({ rank }) => rank !== undefined).sort((a, b) => a.rank! - b.rank!)) {
    if (fits([...chosen, column])) chosen = [...chosen, column]
  }
  return columns.filter((column) => chosen.includes(column))
}

/** The columns that must go under this row, since it is longer than the rows that the table was laid out by. */
function overflowOf<T>(columns: readonly Column<T>[], widths: Widths<T>, row: T, limit = Infinity): Column<T>[] {
  const moved: Column<T>[] = []
  const text = (column: Column<T>) => (moved.includes(column) ? '' : textOf(column, row))
  const candidates = columns
    .filter((column) => column.narrow === 'under' && text(column) !== '')
    .sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0))
  while (candidates.length > 0 && lengthOf(lineOf(columns, widths, text).trimEnd()) > limit) {
    moved.push(candidates.pop()!)
  }
  return moved
}

function lineOf<T>(columns: readonly Column<T>[], widths: Widths<T>, cell: (column: Column<T>) => string): string {
  const cells = columns.map((column, i) =>
    i === columns.length - 1 ? cell(column) : pad(cell(column), widths.get(column)!),
  )
  return `${cells.join(' '.repeat(GAP)).trimEnd()}\n`
}

function cellOf<T>(column: Column<T>, row: T, width: number, { colour }: TableStyle): string {
  const text = textOf(column, row)
  return colour && column.paint !== undefined
    ? column.paint(text, row) + ' '.repeat(Math.max(0, width - lengthOf(text)))
    : text
}

function linesUnder<T>(columns: readonly Column<T>[], row: T, { width }: TableStyle): string {
  const parts = columns.map((column) => [column.title, textOf(column, row)]).filter(([, text]) => text !== '')
  if (parts.length === 0) return ''
  return wrapped(parts.map(([title, text]) => `${title}: ${text}`).join('  '), width, INDENT)
}

/** A block of `Title: value` lines for each row, with an empty line before all but the first. */
function blocksOf<T>(columns: readonly Column<T>[], style: TableStyle): Table<T> {
  let isFirst = true
  const block = (row: T) => {
    const lines = columns.flatMap((column) => {
      const text = textOf(column, row)
      if (text === '') return []
      const fits = lengthOf(`${column.title}: ${text}`) <= style.width!
      if (!fits) return [`${column.title}:\n${wrapped(text, style.width, INDENT)}`]
      return [`${column.title}: ${style.colour && column.paint !== undefined ? column.paint(text, row) : text}\n`]
    })
    const before = isFirst ? '' : '\n'
    isFirst = false
    return before + lines.join('')
  }
  return { head: '', lines: (rows) => rows.map(block).join(''), hidden: [] }
}
