import { type Command as KitCommand, type Context as KitContext, FORMATS, type OptionSet } from '@muster/cli-kit'
import type { Cluster } from '../cluster/cluster.ts'

/** What a command of musterctl works with. */
export interface Context extends KitContext {
  /** Reads the identity and prepares to call the cluster. Loads gRPC, so commands check their flags first. */
  cluster(): Promise<Cluster>
}

/** A command of musterctl. */
export type Command<O extends OptionSet = OptionSet> = KitCommand<O, Context>

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
