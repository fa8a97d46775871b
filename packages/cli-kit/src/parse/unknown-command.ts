import { UsageError } from '../command/errors.ts'
import type { Program } from '../command/program.ts'
import { didYouMean } from './did-you-mean.ts'
import { pathOf, wordsOf, type Typed } from './find-command.ts'
import { repeatable } from './secrets.ts'

/** Words of other programs, and what they are called here. */
const CALLED: Record<string, string> = {
  create: 'add',
  delete: 'rm',
  edit: 'update',
  join: 'start',
  list: 'ls',
  new: 'add',
  remove: 'rm',
  run: 'start',
}

/** The error for a word that names no command. */
export function unknownCommand(program: Program, { noun, unknown = '' }: Typed): UsageError {
  const known = program.commands
    .filter((entry) => entry.noun === noun && entry.hidden !== true)
    .flatMap((entry) => wordsOf(entry))
  const words = noun === undefined ? [...Object.keys(program.groups), ...known] : known
  const typed = repeatable(unknown)
  const meant = didYouMean(CALLED[unknown] ?? unknown, words, (word) => `'${pathOf(program, noun)} ${word}'`)
  return new UsageError(`unknown command: ${noun === undefined ? '' : `${noun} `}${typed}${meant}`)
}
