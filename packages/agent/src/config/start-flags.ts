import type { Args, Example, OptionSet, Rest } from '@muster/cli-kit'

/** How long a start tries to join unless told otherwise. */
export const DEFAULT_JOIN_TIMEOUT = '30s'

/** The port of registration-service, where an address has none. */
export const DEFAULT_PORT = 3025

/** The arguments of `muster start` as typed. */
export interface StartFlags {
  /** An invitation, or the path of a file that holds one. */
  invitation?: string | undefined
  roles?: string | undefined
  token?: string | undefined
  caPin?: string[] | undefined
  authServer?: string | undefined
  dataDir?: string | undefined
  nodename?: string | undefined
  labels?: string | undefined
  advertiseIp?: string | undefined
  joinTimeout?: string | undefined
  insecureSkipCaPin?: boolean | undefined
  oneshot?: boolean | undefined
  diagAddr?: string | undefined
  identityGroup?: string | undefined
  onRenew?: string | undefined
}

/** The positional argument of `muster start`. */
export const INVITATION: Rest = {
  name: '[INVITATION]',
  describe:
    "'muster://...' in quotes, or the path of a file that holds it; it sets --auth-server, --token, --ca-pin and --roles",
  most: 1,
  names: 'file',
}

const text = { type: 'string' } as const

/** The flags of `muster start`, in the order of its help. */
export const START_OPTIONS = {
  roles: {
    ...text,
    value: 'ROLES',
    names: 'node-role',
    describe: 'Roles of this node, with commas: node, proxy, app, db, kube, ..., or bot [default: node]',
  },
  token: { ...text, value: 'TOKEN', names: 'file', describe: 'The join token, or the path of a file that holds it' },
  'ca-pin': {
    ...text,
    array: true,
    value: 'PIN',
    describe: 'sha256:... of the cluster; one match is enough',
  },
  'auth-server': { ...text, value: 'HOST:PORT', describe: 'Address of the cluster' },
  'data-dir': {
    ...text,
    value: 'DIR',
    names: 'file',
    describe: 'Folder of the identity [default: /var/lib/muster for root, else ~/.local/share/muster]',
  },
  nodename: { ...text, value: 'NAME', describe: 'Name of this node [default: the host name]' },
  labels: { ...text, value: 'LABELS', describe: 'Labels of this node: k=v,k=v' },
  'advertise-ip': { ...text, value: 'ADDRESS', describe: 'Address where others reach this node' },
  'join-timeout': {
    ...text,
    value: 'DURATION',
    default: DEFAULT_JOIN_TIMEOUT,
    describe: 'How long to try to join',
  },
  config: {
    ...text,
    value: 'FILE',
    names: 'file',
    describe:
      'The configuration; flags and the environment have precedence [default: /etc/muster.yaml if there is one]',
  },
  'diag-addr': { ...text, value: 'HOST:PORT', describe: 'Loopback address of /healthz, /readyz and /metrics' },
  'identity-group': {
    ...text,
    value: 'GROUP',
    describe: 'Publish the identity in DATA-DIR/tls for servers of this group',
  },
  'on-renew': { ...text, value: 'COMMAND', describe: 'Publish it too, and run this command after each change' },
  oneshot: { type: 'boolean', describe: 'Leave fresh credentials in the data directory and exit' },
  'insecure-skip-ca-pin': { type: 'boolean', describe: 'Trust any server that answers; for experiments only' },
} as const satisfies OptionSet

/** The examples of `muster start --help`. */
export const START_EXAMPLES: readonly Example[] = [
  ["$0 start 'muster://...'", 'join by an invitation and keep running; the quotes keep it whole'],
  ['$0 start /run/invitation', 'the same, with no secret on the command line'],
  [
    '$0 start --roles=node --token=/run/token --ca-pin=sha256:... --auth-server=10.0.0.1:3025',
    'join without an invitation',
  ],
  ['$0 start', 'join by /etc/muster.yaml, which muster configure writes'],
  ['$0 start', 'return after a restart; no token is needed'],
  ["$0 start --roles=bot --data-dir=./ci 'muster://...'", 'run as a bot: keep the credentials in ./ci fresh'],
  ["$0 start --oneshot --data-dir=./ci 'muster://...'", 'credentials for one job; no agent keeps running'],
]

/** The arguments by the names that the code has for them. */
export function startFlagsOf(args: Args<typeof START_OPTIONS>): StartFlags {
  return {
    invitation: args.positionals[0],
    roles: args.roles,
    token: args.token,
    caPin: args['ca-pin'],
    authServer: args['auth-server'],
    dataDir: args['data-dir'],
    nodename: args.nodename,
    labels: args.labels,
    advertiseIp: args['advertise-ip'],
    joinTimeout: args['join-timeout'],
    insecureSkipCaPin: args['insecure-skip-ca-pin'],
    oneshot: args.oneshot,
    diagAddr: args['diag-addr'],
    identityGroup: args['identity-group'],
    onRenew: args['on-renew'],
  }
}
