import { utcTimeAndDistance, print, facts, utcTime } from '@muster/cli-kit/print'
import { CliError } from '@muster/cli-kit'
import { readToken } from '@muster/cli-kit/input'
import { parseCaPin, parseMemberName, parseServerAddress } from '@muster/domain'
import { asUsage } from '../documents/as-usage.ts'
import { defineCommand, FORMAT, type Context } from '../cli/command.ts'
import { refuseIdentityFlag } from '../identity/identity-flags.ts'
import { identityJson } from '../identity/identity-json.ts'
import { openStore, type IdentityStore } from '../identity/identity-store.ts'
import { findIdentity } from '../identity/identity.ts'
import { isUnusable, readOperator } from '../identity/operator-identity.ts'

const DEFAULT_PORT = 3025

/** Makes a key on this machine, signs it up, keeps the identity and makes its cluster the current one. */
export const login = defineCommand({
  options: {
    'auth-server': {
      type: 'string',
      required: true,
      value: 'HOST:PORT',
      describe: 'HOST[:PORT] of registration-service',
    },
    'ca-pin': {
      type: 'string',
      array: true,
      required: true,
      value: 'PIN',
      describe:
        'sha256:... of the host root that the server must show; separate several with commas or repeat the flag',
    },
    user: { type: 'string', required: true, value: 'NAME', describe: 'Your name in the cluster' },
    token: {
      type: 'string',
      required: true,
      value: 'TOKEN',
      describe: 'The signup token, a file that contains it, or - for standard input',
    },
    force: { type: 'boolean', describe: "Replace another person's identity for the same cluster" },
    format: FORMAT,
  },
  requiredHint: "an admin's 'musterctl users add' or 'users reset' prints the whole command",
  examples: [
    [
      '$0 login --auth-server=muster.example.com --ca-pin=sha256:... --user=ada --token=mtk_...',
      "as 'musterctl users add' prints it",
    ],
    ['$0 login --auth-server=muster.example.com --ca-pin=sha256:... --user=ada --token=-', 'type or pipe the token'],
  ],
  async run(args, context) {
    const { io, now, signal } = context
    refuseIdentityFlag(args)
    const wanted = parseFlags(args)
    const token = await readToken(io, wanted.token, '--token')
    const store = openStore(io)
    // Loads gRPC, so not before the flags are known to be good.
    const [{ signUp }, { readProxies }] = await Promise.all([
      import('../identity/signup.ts'),
      import('../cluster/read-proxies.ts'),
    ])
    const identity = await signUp({
      ...wanted,
      explainUsed: async (clusterName) => alreadyLoggedIn(store, clusterName, wanted.user, now()),
      token,
      store,
      signal,
      proxyFor: readProxies(io.env),
      onCluster: async (clusterName, serverTime) => {
        checkCluster(clusterName, (args as { cluster?: string }).cluster)
        if (args.force !== true) {
          // The clock of this machine must not decide that another person's session is over.
          await refuseToReplace(store, clusterName, wanted.user, serverTime ?? now())
        }
      },
    })
    const { clusterName } = identity.profile
    const dir = await store.keep(identity)
    await store.use(clusterName)
    await store.forgetPending(wanted.user, wanted.authServer)
    const operator = (await readOperator(dir, 'the current cluster'))!
    await print(io, args.format, identityJson(operator), () => {
      const { name, roles, expiresAt, sessionExpiresAt } = operator
      io.stdout.write(
        `Logged in to ${clusterName} as ${name}: ${roles.join(', ')}. It is now the current cluster.\n\n` +
          facts([
            ['Certificate', `until ${utcTime(expiresAt)}; musterctl renews it until the session ends`],
            [
              'Session',
              `until ${utcTimeAndDistance(sessionExpiresAt!, now())}; then ask an admin for a new signup token`,
            ],
            ['Folder', dir],
          ]),
      )
    })
    await warnIfOthersComeFirst(context, clusterName)
  },
})

function parseFlags(args: { 'auth-server': string; 'ca-pin': string[]; user: string; token: string }) {
  const { 'auth-server': authServer, 'ca-pin': caPin, user, token } = args
  return asUsage(() => ({
    authServer: parseServerAddress(authServer, '--auth-server', DEFAULT_PORT),
    caPins: caPin.flatMap((list) => list.split(',')).map((pin) => parseCaPin(pin, '--ca-pin')),
    user: parseMemberName(user, '--user'),
    token,
  }))
}

/** The error for a token that is used up, if this very person is logged in: the login has worked before. */
async function alreadyLoggedIn(store: IdentityStore, clusterName: string, user: string, now: Date) {
  if (!(await store.has(clusterName))) return undefined
  const there = await readOperator(store.folderOf(clusterName), 'login').catch(() => undefined)
  if (there?.name !== user || isUnusable(there, now)) return undefined
  return new CliError(
    `already logged in to ${clusterName} as ${user}; the token was used before, and is not needed`,
    `To log in again, ask an admin for 'musterctl users reset ${user}'.`,
  )
}

function checkCluster(clusterName: string, wanted: string | undefined): void {
  if (wanted === undefined || wanted === clusterName) return
  throw new CliError(`connected to cluster ${clusterName}, expected ${wanted}; the token was not sent`)
}

/** Refuses before the token is spent, so that people who share a machine do not lose an identity by mistake. */
async function refuseToReplace(store: IdentityStore, clusterName: string, user: string, now: Date): Promise<void> {
  if (!(await store.has(clusterName))) return
  const there = await readOperator(store.folderOf(clusterName), 'login').catch(() => undefined)
  if (there === undefined || there.name === user || isUnusable(there, now)) return
  throw new CliError(
    `already logged in to ${clusterName} as ${there.name}; the token was not sent`,
    `'musterctl logout --cluster ${clusterName}' ends that login; --force replaces ${there.name} with ${user}.`,
  )
}

/** A local cluster's folder and MUSTER_IDENTITY come before the current cluster, which a person would otherwise wonder about. */
async function warnIfOthersComeFirst({ io, now }: Context, clusterName: string): Promise<void> {
  const found = await findIdentity({ io, now, flags: {} }).catch(() => undefined)
  if (found === undefined || found.foundBy === 'the current cluster') return
  io.stderr.write(
    `musterctl: note: in this folder commands use ${found.dir} (${found.foundBy}); add --cluster ${clusterName} to use this login\n`,
  )
}
