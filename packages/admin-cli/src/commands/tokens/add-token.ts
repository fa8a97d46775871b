import type { ArgsOf, Io, OptionSet } from '@muster/cli-kit'
import { readSecretLine } from '@muster/cli-kit/input'
import { print, styleFor } from '@muster/cli-kit/print'
import { FORMAT, type Context } from '../../cli/command.ts'
import { identityFlags } from '../../identity/identity-flags.ts'
import type { OperatorIdentity } from '../../identity/operator-identity.ts'
import { installLine, type InstallLine } from './install-line.ts'
import { invitationOf, joinText } from './join-text.ts'
import { flagsAgain } from '../../cli/flags-again.ts'
import { tokenJson } from './json.ts'
import { parseTokenFlags } from './token-request.ts'

/** The flags that `tokens add` and `nodes add` share: all but the flag for the roles. */
export const ADD_OPTIONS = {
  ttl: {
    type: 'string',
    value: 'DURATION',
    default: '30m',
    describe: 'How long the token works: 30s, 5m, 1h30m, 2d; at most the limit of the cluster, by default 7d',
  },
  'max-uses': {
    type: 'string',
    describe: 'How many may join with it [default: no limit; 1 for a bot]',
  },
  labels: { type: 'string', describe: 'Labels of the token: k=v,k=v' },
  'node-labels': {
    type: 'string',
    describe: 'Labels forced on every node that joins with it: k=v,k=v',
  },
  description: { type: 'string', describe: 'What it is for' },
  'allow-cidr': {
    type: 'string',
    array: true,
    describe: 'Network to admit nodes from, such as 10.0.0.0/8; separate several with commas or repeat the flag',
  },
  'allow-hostname': {
    type: 'string',
    array: true,
    describe: "Host names to admit, such as 'web-*'; separate several with commas or repeat the flag",
  },
  value: {
    type: 'string',
    describe: 'Your own secret, at least 16 characters; - reads it from standard input [default: a generated one]',
  },
  'bot-name': { type: 'string', describe: 'Name of the bot; required for the type bot' },
  format: { ...FORMAT, default: undefined, describe: 'text: the token alone; json, yaml: everything' },
} as const satisfies OptionSet

type AddArgs = ArgsOf<typeof ADD_OPTIONS>

/** Creates a join token. Without --format it prints instructions too; --format=text prints the token alone, for scripts. */
export async function addToken(
  args: AddArgs,
  { flag, roles }: { flag: string; roles: string | undefined },
  { io, cluster, signal }: Context,
): Promise<void> {
  const request = parseTokenFlags(
    {
      type: roles,
      ttl: args.ttl,
      maxUses: args['max-uses'],
      labels: args.labels,
      nodeLabels: args['node-labels'],
      description: args.description,
      value: args.value === '-' ? await readSecretLine(io, '--value') : args.value,
      botName: args['bot-name'],
      allowCidr: args['allow-cidr'],
      allowHostname: args['allow-hostname'],
    },
    flag,
  )
  const { tokens, caPins: readPins, operator } = await cluster()
  // Read the pins first: if that fails, no token has been created.
  const caPins = args.format === 'text' ? [] : await readPins()
  const { token: made, value } = await tokens.createToken(request)
  if (made === undefined) throw new Error('token-service answered without a token')
  if (args.format === 'text') {
    io.stdout.write(`${value}\n`)
    return
  }
  const facts = { made, value, caPins, authServer: operator.profile.publicAddress }
  const invitation = invitationOf(facts)
  const install = made.botName === '' ? await installLineOf(operator, invitation, { env: io.env, signal }) : undefined
  const data = {
    token: value,
    invitation,
    ...(install !== undefined && 'line' in install && { install_command: install.line }),
    ...tokenJson(made),
    ca_pins: caPins,
    auth_server: facts.authServer,
  }
  await print(io, args.format ?? 'text', data, () => {
    const { colour } = styleFor(io.stdout, io.env)
    const flags = flagsAgain(identityFlags(args))
    io.stdout.write(joinText({ ...facts, install, ttlSeconds: request.ttlSeconds, flags, colour }))
  })
}

/** Bots run no agent that a service could start, so the line is for nodes only. */
async function installLineOf(
  { profile, bundlePem }: OperatorIdentity,
  invitation: string,
  { env, signal }: { env: Io['env']; signal: AbortSignal },
): Promise<InstallLine> {
  const { webAddress: address, clusterName } = profile
  if (address === undefined) return undefined
  const { readProxies } = await import('../../cluster/read-proxies.ts')
  const proxyFor = readProxies(env)
  const cluster = { name: clusterName, hostRootsPem: bundlePem }
  // The person sees the address in the line.
  return installLine({ address, cluster, acceptsPublic: true, signal, proxyFor }, invitation)
}
