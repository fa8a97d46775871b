import type { OptionSet } from './command/options.ts'
import type { Command, Failure, Program } from './command/program.ts'
import { HELP_OPTIONS } from './standard.ts'

/** A program that is one command and takes no words, as data. */
export interface OnlyCommand<O extends OptionSet> extends Pick<Program, 'name' | 'typed' | 'notes'> {
  describe: string
  command: Command<O>
  /** Explains an error; undefined leaves it to the kit. */
  explain?: (error: unknown) => Failure | undefined
}

/** The program of one command. Its exit statuses are 0 done, 1 failed, 2 bad usage. */
export function programOf<const O extends OptionSet>(only: OnlyCommand<O>): Program {
  const { describe, command, explain, ...rest } = only
  return {
    ...rest,
    about: `${describe}.`,
    groups: {},
    commands: [],
    only: { verb: '', describe, load: async () => command },
    options: { help: HELP_OPTIONS.help },
    exits: { done: 0, failed: 1, usage: 2 },
    exitMeanings: { done: 'done', failed: 'failed', usage: 'bad usage' },
    version: async () => '',
    extend: async (context) => ({ context }),
    explain: async (error) => explain?.(error),
  }
}
