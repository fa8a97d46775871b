import { defineCommand, FORMAT } from '../command.ts'
import { UsageError } from '../errors.ts'
import type { Io } from '../io.ts'
import { joinText } from '../join-text.ts'
import { print } from '../print.ts'
import { tokenJson } from '../token-json.ts'
import { parseTokenFlags } from '../token-request.ts'

/** Makes a join token. Without --format it says what to do with it; text is the bare token, for scripts. */
export const tokensAdd = defineCommand({
  options: {
    type: {
      type: 'string',
      requiresArg: true,
      describe: 'What may join: app, auth, bot, db, discovery, kube, node, proxy, windowsdesktop; several with commas',
    },
    ttl: {
      type: 'string',
      requiresArg: true,
      default: '30m',
      describe: 'How long it can be used: 30s, 5m, 1h30m, 2d; the cluster has a limit, 7d unless set',
    },
    'max-uses': { type: 'string', requiresArg: true, describe: 'How many may join with it [default: any number]' },
    labels: { type: 'string', requiresArg: true, describe: 'Labels of the token: k=v,k=v' },
    description: { type: 'string', requiresArg: true, describe: 'What it is for' },
    value: {
      type: 'string',
      requiresArg: true,
      describe:
        'A secret of your own, at least 16 characters; - reads it from standard input [default: a generated one]',
    },
    'bot-name': { type: 'string', requiresArg: true, describe: 'Name of the bot; with --type=bot' },
    format: { ...FORMAT, default: undefined, describe: 'text: the token alone; json, yaml: all of it' },
  },
  examples: [
    ['$0 tokens add --type=node --ttl=5m', 'for any number of nodes, for five minutes'],
    ['$0 tokens add --type=node,proxy --max-uses=1', 'for one machine that is both'],
    ['token=$($0 tokens add --type=node --format=text)', 'in a script'],
  ],
  async run(args, { io, cluster }) {
    const request = parseTokenFlags({
      type: args.type,
      ttl: args.ttl,
      maxUses: args['max-uses'],
      labels: args.labels,
      description: args.description,
      value: args.value === '-' ? await readSecret(io) : args.value,
      botName: args['bot-name'],
    })
    const { tokens, caPins: readPins, operator } = await cluster()
    // The pins first: a failure then leaves no token behind.
    const caPins = args.format === 'text' ? [] : await readPins()
    const { token: made, value } = await tokens.createToken(request)
    if (made === undefined) throw new Error('token-service answered without a token')
    const authServer = operator.profile.publicAddress
    const data = { token: value, ...tokenJson(made), ca_pins: caPins, auth_server: authServer }
    await print(io, args.format ?? 'text', data, () => {
      if (args.format === 'text') io.stdout.write(`${value}\n`)
      else {
        const facts = {
          token: value,
          tokenId: made.id,
          roles: made.roles,
          maxUses: made.maxUses,
          caPins,
          authServer,
          identity: (args as { identity?: string }).identity,
        }
        io.stdout.write(joinText({ ...facts, ttlSeconds: request.ttlSeconds }))
      }
    })
  },
})

const MAX_SECRET_CHARACTERS = 4096

/** The first line of standard input. */
async function readSecret({ stdin }: Io): Promise<string> {
  let text = ''
  for await (const chunk of stdin ?? []) {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')
    if (text.includes('\n') || text.length > MAX_SECRET_CHARACTERS) break
  }
  const [line = ''] = text.split(/\r?\n/)
  if (line === '') throw new UsageError('--value: standard input holds no token')
  return line
}
