import type { Option, OptionSet } from '@muster/cli-kit'
import type { Command } from './command.ts'
import type { Entry } from '../commands.ts'
import { NOUNS } from '../commands.ts'
import { nextWords } from './find-command.ts'
import { GLOBAL_OPTIONS } from './global-options.ts'

const EPILOG = [
  'The identity is that of --identity, --cluster or MUSTER_IDENTITY, else .muster/operator here or in a folder above, ' +
    "else that of the current cluster: 'musterctl clusters ls' shows them.",
  'Exit status: 0 done, 1 refused or failed, 2 bad usage.',
]

/** A line in two columns. */
type Row = readonly [left: string, right: string]

/** The help of `musterctl` itself, or of a group of its commands. */
export function groupHelp(noun: string | undefined, width: number): string {
  const path = ['musterctl', noun].filter((word) => word !== undefined).join(' ')
  const rows = nextWords(noun).map(({ word, describe }): Row => [`${path} ${word}`, describe])
  const about =
    noun === undefined ? 'Lets machines and people into the cluster, and shows who is in.' : `${NOUNS[noun]}.`
  const more = `'${path} COMMAND --help' has the flags of a command, and examples.`
  return text([
    [`${path} COMMAND`, '', ...wrap(about, width)],
    section('Commands:', rows, width),
    section('Everywhere:', flagRows(GLOBAL_OPTIONS), width),
    [more, ...EPILOG].flatMap((line) => wrap(line, width)),
  ])
}

/** The help of one command. */
export function commandHelp({ noun, verb, rest, describe }: Entry, command: Command, width: number): string {
  const words = ['musterctl', noun, verb, rest?.name].filter((word) => word !== undefined)
  const examples = command.examples.map(([line, meaning]) => [line.replaceAll('$0', 'musterctl'), meaning] as const)
  return text([
    [words.join(' '), '', ...wrap(`${describe}.`, width)],
    rest === undefined ? [] : section('Arguments:', [[rest.name, rest.describe]], width),
    section('Flags:', flagRows(command.options), width),
    section('Everywhere:', flagRows(GLOBAL_OPTIONS), width),
    section('Examples:', examples, width),
    EPILOG.flatMap((line) => wrap(line, width)),
  ])
}

function flagRows(options: OptionSet): Row[] {
  return Object.entries(options).map(([name, option]) => {
    const short = option.alias === undefined ? '    ' : `-${option.alias}, `
    return [`${short}--${name}`, [option.describe, ...facts(option)].join(' ')]
  })
}

function facts({ choices, array, default: byDefault }: Option): string[] {
  return [
    ...(choices === undefined ? [] : [`[${choices.join(', ')}]`]),
    ...(array === true ? ['[may be given several times]'] : []),
    ...(byDefault === undefined ? [] : [`[default: ${byDefault}]`]),
  ]
}

const LONGEST_LEFT = 48
const GAP = 3

function section(title: string, rows: readonly Row[], width: number): string[] {
  if (rows.length === 0) return []
  const left = Math.min(LONGEST_LEFT, Math.max(...rows.map(([words]) => words.length))) + GAP
  return [
    title,
    ...rows.flatMap(([words, about]) => {
      const lines = wrap(about, Math.max(20, width - left - 2))
      // What is too long for its column has a line of its own.
      const first = words.length > left - GAP ? [`  ${words}`] : []
      return [...first, ...lines.map((line, i) => `  ${(i > 0 || first.length > 0 ? '' : words).padEnd(left)}${line}`)]
    }),
  ]
}

function wrap(line: string, width: number): string[] {
  const lines: string[] = []
  for (const word of line.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

function text(parts: readonly (readonly string[])[]): string {
  return parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map((line) => `${line}\n`).join(''))
    .join('\n')
}
