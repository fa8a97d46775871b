import path from 'node:path'
import { type Args, type OptionSet, type Program, UsageError } from '@muster/cli-kit'
import { programOf } from '@muster/cli-kit/only'

/** The things that can be measured, in this order. */
export const ROWS = ['joins', 'heartbeats', 'strangers', 'memory', 'list', 'tokens', 'cli', 'start'] as const

/** One of the things that can be measured. */
export type RowName = (typeof ROWS)[number]

/** The options of `npm run bench`. */
export interface BenchOptions {
  rows: RowName[]
  /** Fewer and shorter runs: they show that the bench works, and no figures to rely on. */
  quick: boolean
  /** Also takes CPU profiles of the services under load and reports where their time goes. */
  profile: boolean
  /** Where the table goes as JSON. */
  resultsDir: string
}

const FLAGS = {
  only: { type: 'string', value: 'ROWS', describe: `Some of ${ROWS.join(', ')}, with commas [default: all]` },
  quick: { type: 'boolean', describe: 'Fewer and shorter runs, with figures to match' },
  profile: {
    type: 'boolean',
    describe: "Show where the services' CPU time goes, by profiles taken after the measured runs",
  },
  results: {
    type: 'string',
    value: 'DIR',
    default: path.join('test', 'bench', 'results'),
    describe: 'Folder of the figures as JSON',
  },
} as const satisfies OptionSet

/** `npm run bench` as data; `measure` does the work. */
export function benchProgram(root: string, measure: (options: BenchOptions) => Promise<void>): Program {
  return programOf({
    name: 'npm run bench',
    typed: 'npm run bench --',
    describe: 'Measure a cluster on this machine, beside a floor for each figure',
    command: {
      options: FLAGS,
      examples: [['$0 --only joins,cli --quick', 'two rows, quickly']],
      run: (flags) => measure(readOptions(flags, root)),
    },
  })
}

function readOptions({ only, quick, profile, results }: Args<typeof FLAGS>, root: string): BenchOptions {
  const wanted = only?.split(',').map((name) => name.trim()) ?? ROWS
  const unknown = wanted.find((name) => !ROWS.some((row) => row === name))
  if (unknown !== undefined) {
    throw new UsageError(`--only: ${JSON.stringify(unknown)} is not known; valid values: ${ROWS.join(', ')}`)
  }
  return {
    rows: ROWS.filter((row) => wanted.includes(row)),
    quick: quick === true,
    profile: profile === true,
    resultsDir: path.resolve(root, results),
  }
}
