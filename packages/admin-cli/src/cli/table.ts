import { safeText } from '@muster/domain/safe-text'
import type { Output } from './io.ts'

/** A column, and what its cells say. */
export interface Column<T> {
  title: string
  text: (row: T) => string
  /** Gives way when the terminal is too narrow, the widest first; 'last' once the others have: ids, whose beginning will do. */
  flexible?: boolean | 'last'
  /** Colours a finished cell; used on a terminal only. */
  paint?: (cell: string, row: T) => string
}

/** What the terminal can show. */
export interface TableStyle {
  /** Cuts flexible columns so that lines fit; absent: nothing is cut. */
  width?: number | undefined
  colour: boolean
}

const GAP = 2
/** A column is not cut to less than this: eight characters of an id, and the sign that there is more. */
const LEAST_WIDTH = 9

/** A table whose widths are settled. */
export interface Table<T> {
  /** The titles and the line under them. */
  head: string
  /** Rows, each line ended. A cell that does not fit its column pushes the rest of its line to the right. */
  lines(rows: readonly T[]): string
}

/** Lays a table out by its first rows; more may follow. Cells are made safe to show. */
export function tableOf<T>(columns: readonly Column<T>[], first: readonly T[], style: TableStyle): Table<T> {
  const cellsOf = (row: T) => columns.map(({ text }) => safeText(text(row)))
  const widths = columns.map(({ title }) => lengthOf(title))
  for (const cells of first.map(cellsOf)) {
    cells.forEach((cell, i) => (widths[i] = Math.max(widths[i]!, lengthOf(cell))))
  }
  shrink(columns, widths, style.width)
  const line = (texts: readonly string[], row?: T) =>
    texts
      .map((text, i) => {
        const { flexible, paint: painted } = columns[i]!
        const shown = flexible && style.width !== undefined ? cut(text, widths[i]!) : text
        const cell = pad(shown, i === texts.length - 1 ? 0 : widths[i]!)
        return row !== undefined && style.colour && painted !== undefined ? painted(cell, row) : cell
      })
      .join(' '.repeat(GAP))
      .trimEnd()
      .concat('\n')
  return {
    head: line(columns.map(({ title }) => title)) + line(widths.map((width) => '-'.repeat(width))),
    lines: (rows) => rows.map((row) => line(cellsOf(row), row)).join(''),
  }
}

/** A whole table. */
export function table<T>(columns: readonly Column<T>[], rows: readonly T[], style: TableStyle): string {
  const { head, lines } = tableOf(columns, rows, style)
  return head + lines(rows)
}

/** How a table should look on this output: plain and whole in a pipe. */
export function styleFor(output: Output, env: Readonly<Record<string, string | undefined>>): TableStyle {
  if (output.isTTY !== true) return { colour: false }
  // https://no-color.org: present and not empty, whatever its value.
  const wantsNone = (env.NO_COLOR ?? '') !== '' || env.TERM === 'dumb'
  return { width: output.columns, colour: !wantsNone }
}

/** Lines of a label and a value, the values under each other. Values are made safe to show. */
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

function shrink<T>(columns: readonly Column<T>[], widths: number[], limit: number | undefined): void {
  if (limit === undefined) return
  let excess = widths.reduce((sum, width) => sum + width, GAP * (widths.length - 1)) - limit
  for (const kind of [true, 'last'] as const) {
    for (; excess > 0; excess--) {
      const most = Math.max(...widths.filter((_, i) => columns[i]!.flexible === kind))
      if (most <= LEAST_WIDTH) break
      // Of equal ones the last: what stands first matters most.
      widths[widths.findLastIndex((width, i) => columns[i]!.flexible === kind && width === most)] = most - 1
    }
  }
}

function lengthOf(text: string): number {
  return Array.from(text).length
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - lengthOf(text)))
}

function cut(text: string, width: number): string {
  return lengthOf(text) <= width
    ? text
    : `${Array.from(text)
        .slice(0, width - 1)
        .join('')}…`
}
