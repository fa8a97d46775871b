import type { Io, Option, OptionSet } from '@muster/cli-kit'
import { findCommand, nextWords } from './find-command.ts'
import { GLOBAL_OPTIONS } from './global-options.ts'

/** A word that may stand where the cursor is, and what it is for. */
export interface Candidate {
  word: string
  describe: string
}

/**
 * What may come next after these words, the last of which is being typed and may be empty. Looks at the table of commands
 * and at the person's own folder, never at the cluster.
 */
export async function candidates(words: readonly string[], io: Io): Promise<Candidate[]> {
  const { before, current, prefix, flag } = cursorOf(words)
  const typed = findCommand(before)
  const command = await typed.entry?.load()
  const options: OptionSet = { ...command?.options, ...GLOBAL_OPTIONS }
  const option = flag === undefined ? undefined : optionCalled(flag, options)
  if (flag !== undefined && option !== undefined && option.type !== 'boolean') {
    const values = await valuesOf(nameOf(flag), option, typed.noun, io)
    return lastOf(current, values).map((word) => ({ word: prefix + word, describe: '' }))
  }
  if (current.startsWith('-')) return flags(options, current)
  if (typed.unknown !== undefined) return []
  if (typed.entry === undefined) return startingWith(current, nextWords(typed.noun))
  const { rest } = typed.entry
  const named = rest?.choices ?? (rest?.name === 'CLUSTER' ? await clusterNames(io) : [])
  return startingWith(
    current,
    named.map((word) => ({ word, describe: '' })),
  )
}

/** The word under the cursor and the flag that it is the value of, whether that is one word with it, two, or three (bash parts at `=`). */
function cursorOf(words: readonly string[]) {
  const current = words.at(-1) ?? ''
  const before = words.slice(0, -1)
  const joined = /^(--[^=]+=)(.*)$/.exec(current)
  if (joined !== null) return { before, current: joined[2]!, prefix: joined[1]!, flag: joined[1]!.slice(0, -1) }
  if (current === '=') return { before: before.slice(0, -1), current: '', prefix: '', flag: before.at(-1) }
  if (before.at(-1) === '=') return { before: before.slice(0, -2), current, prefix: '', flag: before.at(-2) }
  const last = before.at(-1)
  // It is dropped from the words before, or it would take the next of them for its value.
  if (last?.startsWith('-')) return { before: before.slice(0, -1), current, prefix: '', flag: last }
  return { before, current, prefix: '', flag: undefined }
}

function nameOf(flag: string): string {
  return flag.replace(/^-+/, '')
}

function optionCalled(flag: string, options: OptionSet): Option | undefined {
  const name = nameOf(flag)
  return options[name] ?? Object.values(options).find(({ alias }) => alias === name)
}

function flags(options: OptionSet, current: string): Candidate[] {
  const all = Object.entries(options).map(([name, { describe }]) => ({ word: `--${name}`, describe }))
  return startingWith(current, all)
}

async function valuesOf(name: string, option: Option, noun: string | undefined, io: Io): Promise<readonly string[]> {
  if (option.choices !== undefined) return option.choices
  if (name === 'cluster') return clusterNames(io)
  if (name !== 'type' && name !== 'roles') return []
  const { NODE_ROLES, OPERATOR_ROLES } = await import('@muster/domain')
  if (noun === 'users') return OPERATOR_ROLES
  return noun === 'tokens' || noun === 'nodes' ? NODE_ROLES : []
}

async function clusterNames(io: Io): Promise<string[]> {
  const { openStore } = await import('../identity/identity-store.ts')
  return openStore(io).clusters()
}

/** Of a list with commas the last word is completed. */
function lastOf(current: string, values: readonly string[]): string[] {
  const typed = current.slice(0, current.lastIndexOf(',') + 1)
  const given = new Set(typed.split(','))
  return values
    .filter((value) => !given.has(value))
    .map((value) => typed + value)
    .filter((word) => word.startsWith(current))
}

function startingWith(current: string, all: readonly Candidate[]): Candidate[] {
  return all.filter(({ word }) => word.startsWith(current))
}

/** The script of each shell; all of them ask the program itself. */
export const SCRIPTS = {
  bash: `_musterctl() {
  local IFS=$'\\n'
  COMPREPLY=($(musterctl __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
  # A group of commands, or a value that may go on, is followed by no space.
  [[ \${COMPREPLY[0]-} == */ ]] && compopt -o nospace
}
complete -o default -F _musterctl musterctl
`,
  zsh: `#compdef musterctl
_musterctl() {
  local -a found
  local word about
  while IFS=$'\\t' read -r word about; do
    found+=("\${word//:/\\\\:}:\${about}")
  done < <(musterctl __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#found} )); then _describe 'musterctl' found; else _files; fi
}
compdef _musterctl musterctl
`,
  fish: `function __musterctl_complete
  set -l words (commandline -opc) (commandline -ct)
  musterctl __complete -- $words[2..-1] 2>/dev/null
end
complete -c musterctl -f -a '(__musterctl_complete)'
complete -c musterctl -l identity -r -F
`,
} as const

/** A line per candidate, as the scripts read it. */
export function linesOf(found: readonly Candidate[]): string {
  return found.map(({ word, describe }) => `${word}${describe === '' ? '' : `\t${describe}`}\n`).join('')
}
