import type { Option, OptionSet } from '../command/options.ts'
import type { Command, Entry, Example, Program } from '../command/program.ts'
import { nextWords, pathOf } from '../parse/find-command.ts'

/** A line in two columns. */
export type Row = readonly [left: string, right: string]

const LONGEST_LEFT = 48
const GAP = 3

/** The help of a program, or of a group of its commands. */
export function groupHelp(program: Program, noun: string | undefined, width: number): string {
  const path = pathOf(program, noun)
  const rows = nextWords(program, noun).map(({ word, describe }): Row => [`${path} ${word}`, describe])
  const about = noun === undefined ? program.about : `${program.groups[noun]}.`
  const examples = noun === undefined ? (program.examples ?? []) : []
  const more = `'${path} COMMAND --help' has the flags of a command, and examples.`
  return textOf([
    [`Usage: ${path} COMMAND`, '', ...wrap(about, width)],
    section('Commands:', rows, width),
    section('Everywhere:', flagRows(program.options), width),
    section('Examples:', exampleRows(program, examples), width),
    [more, ...ending(program)].flatMap((line) => wrap(line, width)),
  ])
}

/** The help of one command. */
export function commandHelp(
  program: Program,
  { noun, verb, rest, describe }: Omit<Entry, 'load'>,
  command: Pick<Command, 'options' | 'examples'>,
  width: number,
): string {
  const usage = ['Usage:', pathOf(program, noun, { verb }), ...argumentsOf(command.options, rest?.name)]
  return textOf([
    [usage.join(' '), '', ...wrap(`${describe}.`, width)],
    rest === undefined ? [] : section('Arguments:', [[rest.name, rest.describe]], width),
    section('Flags:', flagRows(command.options), width),
    section('Everywhere:', flagRows(program.options), width),
    section('Examples:', exampleRows(program, command.examples), width),
    ending(program).flatMap((line) => wrap(line, width)),
  ])
}

/** What the usage line has behind the words of a command. */
export function argumentsOf(options: OptionSet, rest: string | undefined): string[] {
  const required = Object.entries(options).filter(([, option]) => option.required === true)
  const hasOptional = required.length < Object.keys(options).length
  return [
    ...(rest === undefined ? [] : [rest]),
    ...required.map(([name, { value = 'VALUE' }]) => `--${name}=${value}`),
    ...(hasOptional ? ['[flags]'] : []),
  ]
}

/** Each flag as it is typed, and what it does. */
export function flagRows(options: OptionSet): Row[] {
  return Object.entries(options).map(([name, option]) => {
    const short = option.alias === undefined ? '    ' : `-${option.alias}, `
    const value = option.value === undefined ? '' : `=${option.value}`
    return [`${short}--${name}${value}`, [option.describe, ...facts(option)].join(' ')]
  })
}

function facts({ choices, array, required, default: byDefault }: Option): string[] {
  return [
    ...(choices === undefined ? [] : [`[${choices.join(', ')}]`]),
    ...(array === true ? ['[repeatable]'] : []),
    ...(required === true ? ['[required]'] : []),
    ...(byDefault === undefined ? [] : [`[default: ${byDefault}]`]),
  ]
}

/** Each example as it is typed, and what it is for. */
export function exampleRows(
  { name, typed = name }: Pick<Program, 'name' | 'typed'>,
  examples: readonly Example[],
): Row[] {
  return examples.map(([line, meaning]) => [line.replaceAll('$0', typed), meaning])
}

function ending({ notes = [], exits, exitMeanings }: Pick<Program, 'notes' | 'exits' | 'exitMeanings'>): string[] {
  const statuses = Object.entries(exits)
    .map(([name, status]) => `${status} ${exitMeanings[name]}`)
    .join(', ')
  return [...notes, `Exit status: ${statuses}.`]
}

/** A title and its rows under it, or nothing if there are no rows. */
function section(title: string, rows: readonly Row[], width: number): string[] {
  if (rows.length === 0) return []
  const left = Math.min(LONGEST_LEFT, Math.max(...rows.map(([words]) => words.length))) + GAP
  return [
    title,
    ...rows.flatMap(([words, about]) => {
      const lines = wrap(about, Math.max(20, width - left - 2))
      // Words that are too long for their column have a line of their own.
      const first = words.length > left - GAP ? [`  ${words}`] : []
      return [...first, ...lines.map((line, i) => `  ${(i > 0 || first.length > 0 ? '' : words).padEnd(left)}${line}`)]
    }),
  ]
}

/** The line in lines of at most `width` characters; a longer word has a line of its own. */
function wrap(line: string, width: number): string[] {
  const lines: string[] = []
  for (const word of line.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** The parts with an empty line between them; parts without lines are left out. */
function textOf(parts: readonly (readonly string[])[]): string {
  return parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map((line) => `${line}\n`).join(''))
    .join('\n')
}
