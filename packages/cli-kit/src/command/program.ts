import type { Io } from './io.ts'
import type { ArgsOf, OptionSet } from './options.ts'

/** What every command works with; a program may add to it. */
export interface Context {
  io: Io
  now(): Date
  signal: AbortSignal
  /** The program that runs, for commands about the program itself. */
  program: Program
}

/** Flags and positional arguments as a command gets them. */
export type Args<O extends OptionSet = OptionSet> = ArgsOf<O> & { positionals: string[] }

/** What a command does, and the data of its help. `$0` in examples stands for the name of the program. */
export interface Command<O extends OptionSet = OptionSet, C extends Context = Context> {
  options: O
  examples: readonly Example[]
  /** Where a person gets the required flags from, for the message that one is missing. */
  requiredHint?: string
  /** Runs the command, or throws. Returns an exit status other than 0 only after it has told why. */
  run(args: Args<O>, context: C): Promise<number | void>
}

/** A command line and what it is for. */
export type Example = readonly [command: string, meaning: string]

/** The arguments of a command that have no flag. */
export interface Rest {
  /** As in the usage line: `TOKEN`, `[INVITATION]`, `NODE...`. */
  name: string
  describe: string
  /** How many there may be; absent: the command checks it. */
  most?: number
  /** The words that may come first. */
  choices?: readonly string[]
  /** What they name, for completion: `file`, or a word that the program's `suggest` knows. */
  names?: string
}

/** A command's place in the tree. Its file is loaded when the command is typed, which keeps --help quick. */
export interface Entry<C extends Context = Context> {
  /** The group that it belongs to. */
  noun?: string
  verb: string
  aliases?: readonly string[]
  describe: string
  /** Absent: the command takes flags only. */
  rest?: Rest
  /** Keeps the command out of help and completion. */
  hidden?: boolean
  load: () => Promise<Command<OptionSet, C>>
}

/** A word that completion offers, and what it is for. */
export interface Candidate {
  word: string
  describe: string
}

/** What has been typed when completion asks for values. */
export interface Cursor {
  /** The word under the cursor, as far as it is typed. */
  current: string
  noun: string | undefined
  /** The positional arguments before it. */
  before: readonly string[]
  /** The flags before it, unchecked. */
  flags: Readonly<Record<string, unknown>>
}

/** How a program ends after an error. */
export interface Failure {
  status: number
  /** What happened; one or more lines. */
  message: string
  /** What to do next, as a sentence of its own. */
  next?: string | undefined
  /** More lines, for --verbose; the causes of the error follow. */
  details?: readonly string[]
  /** The error whose causes are listed; absent: the one that was explained. */
  origin?: unknown
}

/** A program as data: help, parsing, completion and the report of errors are made from it. */
export interface Program<C extends Context = Context> {
  /** Its name in messages. */
  name: string
  /** What people type before its arguments, if that is not the name: `npm start --`. */
  typed?: string
  /** What it is for, as a sentence. */
  about: string
  /** The groups of commands, and what each is for. */
  groups: Readonly<Record<string, string>>
  commands: readonly Entry<C>[]
  /** Set for a program that is one command and takes no words; `commands` is empty then. */
  only?: Entry<C>
  /** Flags of every command, HELP_OPTIONS among them. */
  options: OptionSet
  /** Every exit status by name, in order; `failed` is for errors that nothing explains. */
  exits: Readonly<Record<string, number>> & { readonly failed: number; readonly usage: number }
  /** The meaning of each exit status, as help shows it. */
  exitMeanings: Readonly<Record<string, string>>
  examples?: readonly Example[]
  /** Paragraphs at the end of each help. */
  notes?: readonly string[]
  version(): Promise<string>
  /** Adds to the context of a command what this program has beside it. */
  extend(context: Context, args: Args): Promise<{ context: C; close?: () => Promise<void> }>
  /** Explains an error that is neither a UsageError nor a CliError; undefined leaves it to the kit. */
  explain?(error: unknown): Promise<Failure | undefined>
  /** Values that exist now, for completion. May throw; nothing is offered then. */
  suggest?(names: string, cursor: Cursor, io: Io): Promise<readonly Candidate[]>
}
