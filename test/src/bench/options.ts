import path from 'node:path'
import { parseArgs } from 'node:util'

/** What can be measured, in the order in which it is. */
export const ROWS = ['joins', 'heartbeats', 'memory', 'list', 'tokens', 'cli', 'start'] as const
export type RowName = (typeof ROWS)[number]

export interface BenchOptions {
  rows: RowName[]
  /** Fewer and shorter runs: to see that it works, not what it says. */
  quick: boolean
  /** Also takes CPU profiles of the services under load and says where their time goes. */
  profile: boolean
  /** Where the table goes as JSON. */
  resultsDir: string
}

export const USAGE = `Usage: npm run bench -- [options]

  --only LIST        some of ${ROWS.join(', ')} [default: all]
  --quick            fewer and shorter runs, with figures to match
  --profile          where the services' CPU time goes, from CPU profiles taken after the measured runs
  --results DIR      where the figures are kept as JSON [default: test/bench/results]
  --help             this text
`

/** Reads the arguments of `npm run bench --`. Undefined asks for the usage. @throws Error that names the bad one */
export function parseOptions(argv: string[], root: string): BenchOptions | undefined {
  const { values } = parseArgs({
    args: argv,
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      results: { type: 'string', default: path.join('test', 'bench', 'results') },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined
  const wanted = values.only?.split(',').map((name) => name.trim()) ?? ROWS
  const unknown = wanted.find((name) => !ROWS.some((row) => row === name))
  if (unknown !== undefined)
    throw new Error(`--only: there is no ${JSON.stringify(unknown)}; there are ${ROWS.join(', ')}`)
  return {
    rows: ROWS.filter((row) => wanted.includes(row)),
    quick: values.quick,
    profile: values.profile,
    resultsDir: path.resolve(root, values.results),
  }
}
