import type { Io, Program } from '@muster/cli-kit'
import { runProgram } from '@muster/cli-kit/run'
import { COMMANDS, GLOBAL_OPTIONS, NOUNS } from './commands.ts'
import type { Context } from './cli/command.ts'
import { EXIT, EXIT_MEANINGS } from './cli/exit-status.ts'

/** `musterctl` as data. */
export const MUSTERCTL: Program<Context> = {
  name: 'musterctl',
  about: 'Lets machines and people into the cluster, and shows who is in.',
  groups: NOUNS,
  commands: COMMANDS,
  options: GLOBAL_OPTIONS,
  exits: EXIT,
  exitMeanings: EXIT_MEANINGS,
  notes: [
    'The identity is that of --identity, --cluster or MUSTER_IDENTITY, else .muster/operator here or in a folder above, ' +
      "else that of the current cluster: 'musterctl clusters ls' shows them.",
  ],
  version: async () => (await import('@muster/runtime')).versionText(),
  async extend(base, args) {
    const closers: (() => Promise<void>)[] = []
    const context: Context = {
      ...base,
      async cluster() {
        const [{ openCluster }, { identityFlags }] = await Promise.all([
          import('./cluster/cluster.ts'),
          import('./identity/identity-flags.ts'),
        ])
        const cluster = await openCluster({ ...base, flags: identityFlags(args) })
        closers.push(() => cluster.close())
        return cluster
      },
    }
    const close = async () => {
      await Promise.all(closers.map((closeOne) => closeOne()))
    }
    return { context, close }
  },
  explain: async (error) => (await import('./cli/explain.ts')).explain(error),
  suggest: async (names, cursor, io) => (await import('./cli/suggest.ts')).suggest(names, cursor, io),
}

/** Runs `musterctl` with these arguments. Never throws: errors are reported on stderr. @returns the exit status */
export function main(argv: readonly string[], io: Io): Promise<number> {
  return runProgram(MUSTERCTL, argv, io)
}
