import type { Options } from 'yargs'
import { UsageError } from '../exit-status.ts'

/** The positional argument of `muster start`. */
export const INVITATION = {
  type: 'string',
  describe:
    "'muster://...' in quotes, or the path of a file that holds it; says --auth-server, --token, --ca-pin and --roles",
} as const

/** The flags of `muster start`, in the order of its help. */
export const START_OPTIONS = {
  roles: {
    type: 'string',
    requiresArg: true,
    describe: 'What this node is: node, proxy, app, db, kube, ..., or bot [default: node]',
  },
  token: {
    type: 'string',
    requiresArg: true,
    describe: 'The join token, or the path of a file that holds it',
  },
  'ca-pin': {
    type: 'string',
    requiresArg: true,
    array: true,
    describe: 'sha256:... of the cluster; may be repeated, one match is enough',
  },
  'auth-server': { type: 'string', requiresArg: true, describe: 'HOST:PORT of the cluster' },
  'data-dir': {
    type: 'string',
    requiresArg: true,
    describe: 'Where the identity is kept [default: /var/lib/muster for root, else ~/.local/share/muster]',
  },
  nodename: { type: 'string', requiresArg: true, describe: 'Name on the roll [default: this host name]' },
  labels: { type: 'string', requiresArg: true, describe: 'k=v,k=v' },
  'advertise-ip': { type: 'string', requiresArg: true, describe: 'Where others reach this node' },
  'join-timeout': { type: 'string', requiresArg: true, default: '30s', describe: 'How long to try to join' },
  oneshot: { type: 'boolean', describe: 'Leave fresh credentials in the data directory and end' },
  'insecure-skip-ca-pin': { type: 'boolean', describe: 'Trust whoever answers. For experiments only' },
} as const satisfies Record<string, Options>

/** What `muster --help` shows. */
export const EXAMPLES: [command: string, what: string][] = [
  ["muster start 'muster://...'", 'join by the invitation that an operator gave you, and stay'],
  ['muster start', 'come back after a restart; no token is needed'],
]

/** What `muster start --help` shows. */
export const START_EXAMPLES: [command: string, what: string][] = [
  ["muster start 'muster://...'", 'join by an invitation and stay; the quotes keep it whole'],
  ['muster start /run/invitation', 'the same, and no secret on the command line'],
  ['muster start --roles=node --token=/run/token --ca-pin=sha256:... --auth-server=10.0.0.1:3025', 'join and stay'],
  ['muster start', 'come back after a restart; no token is needed'],
  ["muster start --roles=bot --data-dir=./ci 'muster://...'", 'be a bot: keep credentials fresh there'],
  ["muster start --oneshot --data-dir=./ci 'muster://...'", 'credentials for one job, and nothing left running'],
]

/** Of two values for a flag that has one, neither would be sure to count. @throws UsageError that names the flag */
export function refuseRepeats(flags: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(flags)) {
    if (Array.isArray(value) && name !== 'caPin' && name !== 'ca-pin' && name !== '_') {
      throw new UsageError(`--${name} is given twice`)
    }
  }
}
