import type { Io } from '../command/io.ts'
import type { Option, OptionSet } from '../command/options.ts'
import type { Candidate, Cursor, Program, Rest } from '../command/program.ts'
import { findCommand, nextWords } from '../parse/find-command.ts'
import { readFlags } from '../parse/read-flags.ts'
import { cursorOf } from './cursor.ts'
import { FILES } from './scripts.ts'

/**
 * The words that may come next after these, the last of which is being typed and may be empty. Reads the table of commands,
 * and asks the program for names that exist. Never fails: without an answer it offers nothing.
 */
export async function candidates(program: Program, words: readonly string[], io: Io): Promise<Candidate[]> {
  const position = cursorOf(words)
  const { current, prefix, flag } = position
  const typed = findCommand(program, position.before)
  const command = await typed.entry?.load()
  const options: OptionSet = { ...command?.options, ...program.options }
  const option = flag === undefined ? undefined : optionCalled(flag, options)
  const { flags, positionals } = await readFlags(typed.rest, options)
  const cursor: Cursor = { current, noun: typed.noun, before: positionals, flags }
  if (option !== undefined && option.type !== 'boolean') {
    if (option.names === 'file') return [plain(FILES)]
    const found = option.choices?.map(plain) ?? (await suggest(program, option.names, cursor, io))
    return lastOfList(current, found).map(({ word, describe }) => ({ word: prefix + word, describe }))
  }
  if (current.startsWith('-')) return startingWith(current, flagsOf(options))
  if (typed.unknown !== undefined) return []
  if (typed.entry === undefined) return startingWith(current, nextWords(program, typed.noun))
  return argumentsOf(program, typed.entry.rest, cursor, io)
}

async function argumentsOf(program: Program, rest: Rest | undefined, cursor: Cursor, io: Io): Promise<Candidate[]> {
  if (rest === undefined) return []
  const { current, before } = cursor
  const isList = rest.name.includes('...')
  if (!isList && before.length >= rest.name.split(' ').length) return []
  // A word such as `node/` is the beginning of one with a name in it.
  const isWhole = current.endsWith('/') && rest.choices?.includes(current) === true
  const choices = isWhole ? [] : startingWith(current, rest.choices?.map(plain) ?? [])
  // A list has the same words at each place; `KIND [NAME]` has them at the first.
  if (choices.length > 0 && (isList || before.length === 0)) return choices
  return startingWith(current, await suggest(program, rest.names, cursor, io))
}

async function suggest(
  program: Program,
  names: string | undefined,
  cursor: Cursor,
  io: Io,
): Promise<readonly Candidate[]> {
  if (names === undefined) return []
  if (names === 'file') return [plain(FILES)]
  try {
    return (await program.suggest?.(names, cursor, io)) ?? []
  } catch {
    return []
  }
}

function optionCalled(flag: string, options: OptionSet): Option | undefined {
  const name = flag.replace(/^-+/, '')
  return options[name] ?? Object.values(options).find(({ alias }) => alias === name)
}

function flagsOf(options: OptionSet): Candidate[] {
  return Object.entries(options).map(([name, { describe }]) => ({ word: `--${name}`, describe }))
}

/** Of a list with commas the last word is completed. */
function lastOfList(current: string, found: readonly Candidate[]): Candidate[] {
  const typed = current.slice(0, current.lastIndexOf(',') + 1)
  const given = new Set(typed.split(','))
  const words = found.filter(({ word }) => !given.has(word)).map((one) => ({ ...one, word: typed + one.word }))
  return startingWith(current, words)
}

function startingWith(current: string, all: readonly Candidate[]): Candidate[] {
  return all.filter(({ word }) => word === FILES || word.startsWith(current))
}

function plain(word: string): Candidate {
  return { word, describe: '' }
}

/** A line per candidate, as the scripts read it. */
export function linesOf(found: readonly Candidate[]): string {
  return found.map(({ word, describe }) => `${word}${describe === '' ? '' : `\t${describe}`}\n`).join('')
}
