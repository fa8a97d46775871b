import type { RowName } from './options.ts'

/** One measured figure. */
export interface Line {
  what: string
  value: number
  unit: string
  /** The lowest possible cost, measured in the same run and in the same unit. */
  floor?: { what: string; value: number }
  /** How value and floor are compared; default by ratio. */
  by?: 'ratio' | 'difference'
  /** The target of the comparison with the floor, or of the value if there is no floor. */
  target?: { atMost: number } | { atLeast: number }
}

/** The figures of one row of the benchmark. */
export interface Section {
  row: RowName
  title: string
  lines: Line[]
  /** Sentences that help to read the figures. */
  notes?: string[]
  /** The measurements behind the figures. */
  readings?: unknown
}

/** Value against floor, in the unit of `by`; undefined without a floor. */
export function compared({ value, floor, by = 'ratio' }: Line): number | undefined {
  if (floor === undefined) return undefined
  return by === 'ratio' ? value / floor.value : value - floor.value
}

/** `ok`, or by how much it falls short of its target; undefined without one. */
export function verdict(line: Line): string | undefined {
  const { target } = line
  if (target === undefined) return undefined
  const reached = compared(line) ?? line.value
  const [limit, excess] =
    'atMost' in target ? [target.atMost, reached / target.atMost - 1] : [target.atLeast, target.atLeast / reached - 1]
  if (Number.isNaN(reached)) return 'not measured'
  return ('atMost' in target ? reached <= limit : reached >= limit) ? 'ok' : `short by ${Math.ceil(excess * 100)} %`
}

/** The table that a person reads. */
export function renderTable(sections: readonly Section[]): string {
  const header = ['', 'measured', 'floor', 'against it', 'target', '', 'the floor is']
  const body = sections.flatMap(({ title, lines }) => [[title], ...lines.map(cells)])
  const rows = [header, ...body]
  const widths = header.map((_, i) => Math.max(...rows.map((row) => (row.length === 1 ? 0 : (row[i] ?? '').length))))
  const isText = (column: number) => column === 0 || column > 4
  const text = rows.map((row) => {
    if (row.length === 1) return `\n${row[0]}`
    const padded = row.map((cell, i) => (isText(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
    return padded.join('  ').trimEnd()
  })
  const notes = sections.flatMap(({ notes = [] }) => (notes.length > 0 ? ['', ...notes] : []))
  return [...text, ...notes, ''].join('\n')
}

function cells(line: Line): string[] {
  const { what, value, unit, floor, by = 'ratio', target } = line
  const against = compared(line)
  const comparison = by === 'ratio' ? 'x' : unit
  const targetUnit = floor === undefined ? unit : comparison
  const targetText = target && ('atMost' in target ? `<= ${target.atMost}` : `>= ${target.atLeast}`)
  return [
    `  ${what}`,
    `${figure(value)} ${unit}`,
    floor === undefined ? '' : `${figure(floor.value)} ${unit}`,
    against === undefined ? '' : `${by === 'difference' && against > 0 ? '+' : ''}${figure(against)} ${comparison}`,
    targetText === undefined ? '' : `${targetText} ${targetUnit}`,
    verdict(line) ?? '',
    floor?.what ?? '',
  ]
}

/** Three digits that count, or all of them before the point. */
function figure(value: number): string {
  if (!Number.isFinite(value)) return '-'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 0.01))))
  return value.toFixed(Math.min(digits, 3)).replace(/\B(?=(\d{3})+$)/g, digits === 0 ? ' ' : '')
}
