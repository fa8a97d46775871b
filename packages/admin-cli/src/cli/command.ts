import { type Io, type ArgsOf, type OptionSet, FORMATS } from '@muster/cli-kit'
import type { Cluster } from '../cluster/cluster.ts'

/** What a command works with. */
export interface Context {
  io: Io
  now(): Date
  signal: AbortSignal
  /** Reads the identity and makes ready to call the cluster. Loads gRPC, so it is asked for after the flags are checked. */
  cluster(): Promise<Cluster>
}

/** A command: data for --help, and what it does. */
export interface Command<O extends OptionSet = OptionSet> {
  options: O
  examples: readonly (readonly [command: string, meaning: string])[]
  /** Does it, or throws. `positionals` are the arguments without a flag. May return another exit status than 0 after having said why. */
  run(args: ArgsOf<O> & { positionals: string[] }, context: Context): Promise<number | void>
}

/** Types `run` by the options beside it. */
export function defineCommand<const O extends OptionSet>(command: Command<O>): Command {
  return command
}

/** The option of every command that prints. */
export const FORMAT = {
  type: 'string',
  alias: 'o',
  choices: FORMATS,
  default: 'text',
  describe: 'text for people, json or yaml for programs',
} as const
