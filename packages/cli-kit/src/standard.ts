import type { OptionSet } from './command/options.ts'
import type { Entry } from './command/program.ts'

/** The flags of every program; `runProgram` answers them. */
export const HELP_OPTIONS = {
  help: { type: 'boolean', alias: 'h', describe: 'Show this help' },
  version: { type: 'boolean', describe: 'Show the version' },
} as const satisfies OptionSet

/** The commands of every program that completes its arguments. */
export const COMPLETION_ENTRIES: readonly Entry[] = [
  {
    verb: 'completion',
    describe: 'Print the script that completes commands, flags and names in your shell',
    rest: { name: 'SHELL', describe: 'bash, zsh or fish', choices: ['bash', 'zsh', 'fish'], most: 1 },
    load: async () => (await import('./complete/completion-command.ts')).completion,
  },
  {
    verb: '__complete',
    hidden: true,
    describe: 'Print the words that may come next after these, for the scripts of the completion command',
    rest: { name: 'WORD...', describe: 'The words so far; the last one may be empty' },
    load: async () => (await import('./complete/completion-command.ts')).complete,
  },
]
