import { CliError, type Entry, type Io, type Output, type Program } from '@muster/cli-kit'
import { runProgram } from '@muster/cli-kit/run'
import { COMPLETION_ENTRIES, HELP_OPTIONS } from '@muster/cli-kit/standard'
import { safeText } from '@muster/domain/safe-text'
import { INVITATION } from './config/start-flags.ts'
import { errorsForJournal, isJournal } from './systemd/journal.ts'
import { EXIT, EXIT_MEANINGS, exitStatusOf, explain } from './exit-status.ts'

const START: Entry = {
  verb: 'start',
  describe: 'Join the cluster if needed, then send heartbeats and renew the identity until stopped',
  rest: INVITATION,
  load: async () => (await import('./config/start-command.ts')).startCommand,
}

const STATUS: Entry = {
  verb: 'status',
  describe: 'Show what this machine is in its cluster, and what is wrong',
  load: async () => (await import('./commands/status.ts')).statusCommand,
}

const CONFIGURE: Entry = {
  verb: 'configure',
  describe: 'Write /etc/muster.yaml, which start reads, after asking the server',
  rest: INVITATION,
  load: async () => (await import('./commands/configure.ts')).configureCommand,
}

const NODE_CONFIGURE: Entry = {
  noun: 'node',
  verb: 'configure',
  describe: 'Write /etc/muster.yaml for a node: configure with --roles=node',
  rest: INVITATION,
  load: async () => (await import('./commands/configure.ts')).configureNodeCommand,
}

const CHECK: Entry = {
  verb: 'check',
  describe: 'Check all that a join, or a member, needs; no token is sent',
  rest: INVITATION,
  load: async () => (await import('./commands/check.ts')).checkCommand,
}

const SHOW: Entry = {
  verb: 'show',
  describe: 'Show what an invitation contains, without its token',
  rest: { ...INVITATION, describe: "'muster://...' in quotes, or the path of a file that holds it" },
  load: async () => (await import('./commands/show.ts')).showCommand,
}

const INSTALL_SYSTEMD: Entry = {
  noun: 'install',
  verb: 'systemd',
  describe: 'Write the unit that runs this program as a service of systemd',
  load: async () => (await import('./commands/install-systemd.ts')).installSystemdCommand,
}

const UNINSTALL_SYSTEMD: Entry = {
  noun: 'uninstall',
  verb: 'systemd',
  describe: 'Stop the service of systemd and remove its unit; the identity stays',
  load: async () => (await import('./commands/uninstall-systemd.ts')).uninstallSystemdCommand,
}

const UPGRADE: Entry = {
  verb: 'upgrade',
  describe: 'Install the version that the cluster has for its agents, and restart the agent',
  load: async () => (await import('./commands/upgrade.ts')).upgradeCommand,
}

/** `muster` as data. */
export const MUSTER: Program = {
  name: 'muster',
  about: 'Joins this machine to a cluster and keeps its identity fresh.',
  groups: {
    node: 'This machine as a node',
    install: 'The agent as a service of this machine',
    uninstall: 'Remove the service of this machine',
  },
  commands: [
    CONFIGURE,
    NODE_CONFIGURE,
    CHECK,
    START,
    STATUS,
    SHOW,
    UPGRADE,
    INSTALL_SYSTEMD,
    UNINSTALL_SYSTEMD,
    ...COMPLETION_ENTRIES,
  ],
  options: HELP_OPTIONS,
  exits: EXIT,
  exitMeanings: EXIT_MEANINGS,
  examples: [
    ["$0 start 'muster://...'", 'join by the invitation that an operator gave you, and keep running'],
    ['$0 start', 'return after a restart; no token is needed'],
    ['$0 status', 'what this machine is in its cluster, and what is wrong'],
  ],
  version: async () => (await import('@muster/runtime')).versionText(),
  extend: async (context) => ({ context }),
  explain: async (error) => ({
    status: exitStatusOf(error),
    message: explain(error),
    next: error instanceof CliError ? error.next : undefined,
  }),
  async suggest(names) {
    if (names !== 'node-role') return []
    const { NODE_ROLES } = await import('@muster/domain')
    return NODE_ROLES.map((word) => ({ word, describe: '' }))
  },
}

/** Runs `muster` with these arguments. Never throws. @returns the exit status */
export function main(argv: readonly string[], io: Io): Promise<number> {
  const stderr = safely(io.stderr)
  const errors = isJournal(2, io.env) ? errorsForJournal(stderr) : stderr
  return runProgram(MUSTER, argv, { ...io, stdout: safely(io.stdout), stderr: errors })
}

/** Messages quote servers and file names, and none of that text may act on a terminal. */
function safely(output: Output): Output {
  return {
    isTTY: output.isTTY,
    columns: output.columns,
    write: (text) =>
      output.write(
        text
          .split(/([\n\t])/)
          .map((part) => (/[\n\t]/.test(part) ? part : safeText(part)))
          .join(''),
      ),
  }
}
