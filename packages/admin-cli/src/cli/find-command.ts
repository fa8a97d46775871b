import { didYouMean, UsageError } from '@muster/cli-kit'
import { COMMANDS, NOUNS, type Entry } from '../commands.ts'
import { GLOBAL_OPTIONS } from './global-options.ts'

/** What the arguments say before anything is known of a command's own flags. */
export interface Typed {
  noun: string | undefined
  entry: Entry | undefined
  /** A word in the place of a command that names none. */
  unknown: string | undefined
  /** All arguments that are not words of the command. */
  rest: string[]
}

const TAKES_VALUE = Object.entries(GLOBAL_OPTIONS)
  .filter(([, { type }]) => type !== 'boolean')
  .map(([name]) => `--${name}`)

/** Finds the command among the arguments; flags that every command has may stand before and between its words. */
export function findCommand(argv: readonly string[]): Typed {
  const typed: Typed = { noun: undefined, entry: undefined, unknown: undefined, rest: [] }
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!
    if (word === '--' || typed.entry !== undefined || typed.unknown !== undefined) {
      typed.rest.push(...argv.slice(i))
      break
    }
    if (word.startsWith('-')) {
      typed.rest.push(word)
      if (TAKES_VALUE.includes(word) && i + 1 < argv.length) typed.rest.push(argv[++i]!)
    } else if (typed.noun === undefined && Object.hasOwn(NOUNS, word)) {
      typed.noun = word
    } else {
      typed.entry = COMMANDS.find((entry) => entry.noun === typed.noun && wordsOf(entry).includes(word))
      if (typed.entry === undefined) typed.unknown = word
    }
  }
  return typed
}

/** The words of the command, such as `tokens add`; of a group its noun; else nothing. */
export function nameOf({ noun, entry }: Pick<Typed, 'noun' | 'entry'>): string {
  return [noun, entry?.verb].filter((word) => word !== undefined).join(' ')
}

/** The commands of a group, or those without one with the groups before them. */
export function nextWords(noun: string | undefined): { word: string; describe: string }[] {
  const groups = noun === undefined ? Object.entries(NOUNS) : []
  return [
    ...groups.map(([word, describe]) => ({ word, describe })),
    ...COMMANDS.filter((entry) => entry.noun === noun && !entry.hidden).map(({ verb, describe }) => ({
      word: verb,
      describe,
    })),
  ]
}

/** Words of other programs, and what they are called here. */
const CALLED: Record<string, string> = {
  create: 'add',
  delete: 'rm',
  edit: 'update',
  list: 'ls',
  new: 'add',
  remove: 'rm',
}

/** The error for a word that names no command. */
export function unknownCommand({ noun, unknown = '' }: Typed): UsageError {
  const known = COMMANDS.filter((entry) => entry.noun === noun && !entry.hidden).flatMap(wordsOf)
  const words = noun === undefined ? [...Object.keys(NOUNS), ...known] : known
  const prefix = noun === undefined ? '' : `${noun} `
  return new UsageError(
    `unknown command: ${prefix}${unknown}${didYouMean(CALLED[unknown] ?? unknown, words, (word) => `'musterctl ${prefix}${word}'`)}`,
  )
}

function wordsOf({ verb, aliases = [] }: Entry): string[] {
  return [verb, ...aliases]
}
