import { type Args, type OptionSet, type Program, UsageError } from '@muster/cli-kit'
import { programOf } from '@muster/cli-kit/only'
import type { Attack } from './attack.ts'
import { ATTACKS } from './catalogue.ts'

/** The options of `npm run attack`. */
export interface AttackOptions {
  attacks: readonly Attack[]
  /** Short and small attacks: they show that the limits hold, and no figures to rely on. */
  isQuick: boolean
  durationMs: number
  /** Names the attacks and runs none. */
  isList: boolean
  /** Prints the outcomes as JSON in place of the table. */
  isJson: boolean
}

const FULL_SECONDS = 3
const QUICK_MS = 300

const FLAGS = {
  only: { type: 'string', value: 'NAMES', describe: 'Some of the attacks, with commas [default: all]' },
  list: { type: 'boolean', describe: 'Name the attacks, and run none' },
  quick: { type: 'boolean', describe: 'Short and small attacks, with the time limits of the gate at 2 s' },
  seconds: { type: 'string', value: 'N', default: String(FULL_SECONDS), describe: 'How long each attack lasts' },
  json: { type: 'boolean', describe: 'Print the outcomes as JSON' },
} as const satisfies OptionSet

/** `npm run attack` as data; `attack` does the work and returns the exit status. */
export function attackProgram(attack: (options: AttackOptions) => Promise<number>): Program {
  return programOf({
    name: 'npm run attack',
    typed: 'npm run attack --',
    describe: 'Attack a cluster on this machine, as a stranger and as a member, with honest callers beside it',
    command: {
      options: FLAGS,
      examples: [['$0 --only ffdhe,idle-tcp', 'two attacks']],
      run: (flags) => attack(readOptions(flags)),
    },
  })
}

function readOptions({ only, quick, list, json, seconds }: Args<typeof FLAGS>): AttackOptions {
  const wanted = only?.split(',').map((name) => name.trim())
  const unknown = wanted?.find((name) => !ATTACKS.some((attack) => attack.name === name))
  if (unknown !== undefined) {
    throw new UsageError(`--only: no attack is called ${JSON.stringify(unknown)}; --list names them`)
  }
  const durationMs = Number(seconds) * 1000
  if (!(durationMs >= 100 && durationMs <= 60_000)) {
    throw new UsageError(`--seconds: ${JSON.stringify(seconds)} is not a number from 0.1 to 60`)
  }
  return {
    attacks: ATTACKS.filter(({ name }) => wanted?.includes(name) ?? true),
    isQuick: quick === true,
    durationMs: quick === true ? QUICK_MS : durationMs,
    isList: list === true,
    isJson: json === true,
  }
}
