import type { OptionSet } from '../command/options.ts'
import type { Candidate, Context, Entry, Program } from '../command/program.ts'

/** What the arguments say before anything is known of a command's own flags. */
export interface Typed<C extends Context = Context> {
  noun: string | undefined
  entry: Entry<C> | undefined
  /** A word in the place of a command that names none. */
  unknown: string | undefined
  /** All arguments that are not words of the command. */
  rest: string[]
}

/** Finds the command among the arguments; flags that every command has may stand before and between its words. */
export function findCommand<C extends Context>(program: Program<C>, argv: readonly string[]): Typed<C> {
  const typed: Typed<C> = { noun: undefined, entry: program.only, unknown: undefined, rest: [] }
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!
    if (word === '--' || typed.entry !== undefined || typed.unknown !== undefined) {
      typed.rest.push(...argv.slice(i))
      break
    }
    if (word.startsWith('-')) {
      typed.rest.push(word)
      if (takesValue(program.options, word) && i + 1 < argv.length) typed.rest.push(argv[++i]!)
    } else if (typed.noun === undefined && Object.hasOwn(program.groups, word)) {
      typed.noun = word
    } else {
      typed.entry = program.commands.find((entry) => entry.noun === typed.noun && wordsOf(entry).includes(word))
      if (typed.entry === undefined) typed.unknown = word
    }
  }
  return typed
}

function takesValue(options: OptionSet, word: string): boolean {
  const option = word.startsWith('--') ? options[word.slice(2)] : undefined
  return option !== undefined && option.type !== 'boolean'
}

/** The program's name and the words of the command, such as `musterctl tokens add`, as far as they were typed. */
export function pathOf(
  { name, typed = name }: Pick<Program, 'name' | 'typed'>,
  noun?: string,
  entry?: Pick<Entry, 'verb'>,
): string {
  return [typed, noun, entry?.verb].filter((word) => word !== undefined && word !== '').join(' ')
}

/** The commands of a group, or those without one with the groups before them. */
export function nextWords(program: Pick<Program, 'groups' | 'commands'>, noun: string | undefined): Candidate[] {
  const groups = noun === undefined ? Object.entries(program.groups) : []
  return [
    ...groups.map(([word, describe]) => ({ word, describe })),
    ...program.commands
      .filter((entry) => entry.noun === noun && entry.hidden !== true)
      .map(({ verb, describe }) => ({ word: verb, describe })),
  ]
}

/** All words by which a command may be called. */
export function wordsOf({ verb, aliases = [] }: Pick<Entry, 'verb' | 'aliases'>): string[] {
  return [verb, ...aliases]
}
