import type { Context, Entry, Program } from '../command/program.ts'
import { pathOf } from '../parse/find-command.ts'
import { argumentsOf, exampleRows, flagRows, type Row } from './help.ts'

/** What the header and the footer of a man page say. */
export interface Edition {
  version: string
  date: Date
}

/**
 * The manual page of a program, in section 1: what its `--help` and the help of each command say, in one document. It is
 * written in the macros of man(7), which groff, mandoc and busybox know.
 */
export async function manPage<C extends Context>(program: Program<C>, { version, date }: Edition): Promise<string> {
  const title = `.TH ${program.name.toUpperCase()} 1 ${date.toISOString().slice(0, 10)} "Muster ${version}" "Muster"`
  const visible = program.commands.filter((entry) => entry.hidden !== true)
  const commands = await Promise.all(visible.map((entry) => commandLines(program, entry)))
  const { exits, exitMeanings, examples = [], notes = [] } = program
  const statuses = Object.entries(exits).map(([name, status]): Row => [`${status}`, exitMeanings[name] ?? ''])
  return [
    title,
    // A command that is broken at a hyphen or stretched by spaces cannot be copied.
    '.nh',
    '.ad l',
    '.SH NAME',
    // The form that makes a page findable by apropos: no full stop, no capital.
    `${text(program.name)} \\- ${text(lowerFirst(program.about.replace(/\.$/, '')))}`,
    '.SH SYNOPSIS',
    `.B ${text(program.name)}`,
    text('COMMAND [arguments] [flags]'),
    '.SH DESCRIPTION',
    text(program.about),
    ...section('COMMANDS', commands.flat()),
    ...section('FLAGS OF EVERY COMMAND', terms(flagRows(program.options))),
    ...section('EXIT STATUS', terms(statuses)),
    ...section('EXAMPLES', terms(exampleRows(program, examples))),
    ...section('NOTES', paragraphs(notes)),
    '',
  ].join('\n')
}

async function commandLines<C extends Context>(program: Program<C>, entry: Entry<C>): Promise<string[]> {
  const command = await entry.load()
  const { noun, rest, describe, aliases = [] } = entry
  const path = pathOf(program, noun, entry)
  const other = aliases.map((verb) => pathOf(program, noun, { verb }))
  return [
    `.SS ${text([path, ...argumentsOf(command.options, rest?.name)].join(' '))}`,
    text(`${describe}.`),
    ...(other.length === 0 ? [] : ['.PP', text(`Also: ${other.join(', ')}.`)]),
    ...terms([...(rest === undefined ? [] : [[rest.name, rest.describe] as const]), ...flagRows(command.options)]),
    ...(command.examples.length === 0 ? [] : ['.PP', 'Examples:', ...terms(exampleRows(program, command.examples))]),
  ]
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`.SH ${title}`, ...lines]
}

function paragraphs(all: readonly string[]): string[] {
  return all.flatMap((paragraph) => ['.PP', text(paragraph)])
}

/** What is typed in bold, and its meaning indented under it. */
function terms(rows: readonly Row[]): string[] {
  return rows.flatMap(([typed, meaning]) => ['.TP', `\\fB${text(typed.trim())}\\fR`, text(meaning)])
}

/** Plain text as troff reads it: nothing in it is a request, and hyphens can be copied into a shell. */
function text(plain: string): string {
  const escaped = plain
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('"', '\\(dq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped
}

function lowerFirst(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1)
}
