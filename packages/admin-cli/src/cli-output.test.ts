import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { bots, token, users } from '@muster/contracts'
import { z } from 'zod'
import { startTestCluster, type TestCluster } from '../test/support/cluster.ts'
import { NOW, SECRET, aBot, aNode, aSignup, aSignupToken, aStaticToken, aToken, aUser } from '../test/support/data.ts'
import { startPeople } from '../test/support/people.ts'
import {
  botSchema,
  identitySchema,
  loggedInSchema,
  loggedOutSchema,
  newSignupSchema,
  newTokenSchema,
  nodeSchema,
  removedBotSchema,
  removedNodeSchema,
  removedTokenSchema,
  removedUserSchema,
  shownTokenSchema,
  tokenSchema,
  usedClusterSchema,
  userSchema,
  whoamiSchema,
} from '../test/support/schemas.ts'

let cluster: TestCluster
let document: string

beforeAll(async () => {
  document = await readFile(new URL('../../../docs/cli-output.md', import.meta.url), 'utf8')
  cluster = await startTestCluster()
  const ban = { bannedAt: NOW, until: undefined, by: 'spiffe://muster.internal/user/alice', reason: 'stolen' }
  const clone = { foundAt: NOW, remoteAddresses: ['192.0.2.66'] }
  const locked = { ...aBot, state: bots.BotState.LOCKED, lockedAt: aBot.joinedAt, lockedFrom: '192.0.2.66' }
  const revoked = { ...aToken, name: 'web', state: token.TokenState.REVOKED, maxUses: 3, revokedAt: aToken.createdAt }
  const bundle = { version: 1, clusterName: 'muster.internal', hostRootsDer: [cluster.hostRootDer], userRootsDer: [] }
  const invited = { ...aUser, state: users.UserState.INVITED, lastSeenAt: undefined, sessionExpiresAt: undefined }
  const signup = async () => ({ user: invited, signupToken: SECRET, signupTokenId: 'signup2222' })
  const byId = new Map<string, token.Token>([
    ['bot2222222', { ...aToken, id: 'bot2222222', roles: ['bot'], botName: 'ci', maxUses: 1, uses: 1 }],
    ['signup2222', { ...aSignupToken, uses: 1 }],
  ])
  cluster.answers = {
    ca: { getTrustBundle: async () => ({ trustBundle: bundle }) },
    tokens: {
      createToken: async () => ({ token: aToken, value: 'correct-horse-battery' }),
      listTokens: async () => ({ tokens: [aToken, revoked, aSignupToken, aStaticToken], nextPageToken: '' }),
      getToken: async ({ idOrName }) => ({ token: byId.get(idOrName) ?? aToken }),
      extendToken: async () => ({ token: aToken }),
      revokeToken: async () => ({ token: aToken }),
    },
    registration: {
      listNodes: async () => ({
        nodes: [aNode, { ...aNode, id: locked.id, lastSeenAt: undefined, ban, clone }],
        nextPageToken: '',
      }),
      removeNode: async () => ({ node: aNode }),
      banNode: async () => ({ node: { ...aNode, ban } }),
      unbanNode: async () => ({ node: aNode }),
    },
    users: {
      createUser: signup,
      resetUser: signup,
      updateUser: async () => ({ user: aUser }),
      removeUser: async () => ({ user: aUser }),
      lockUser: async () => ({ user: { ...aUser, lock: { ...ban, until: NOW } } }),
      unlockUser: async () => ({ user: aUser }),
      listUsers: async () => ({ users: [aUser, invited], nextPageToken: '' }),
    },
    bots: {
      listBots: async () => ({ bots: [aBot, { ...locked, renewedAt: undefined }], nextPageToken: '' }),
      removeBot: async () => ({ bot: aBot }),
      banBot: async () => ({ bot: { ...aBot, ban } }),
      unbanBot: async () => ({ bot: aBot }),
    },
    audit: {
      'registration-service': {
        listEvents: async () => ({ events: [aSignup], nextPageToken: '' }),
      },
    },
  }
})
afterAll(() => cluster.close())

/** The schema of each command that prints JSON, and its heading in docs/cli-output.md. */
const PROMISES: [argv: string, heading: string, schema: z.ZodType, keys: z.ZodObject][] = [
  ['tokens add --type=node', 'tokens add', newTokenSchema, newTokenSchema],
  ['nodes add', 'nodes add', newTokenSchema, newTokenSchema],
  ['tokens ls', 'tokens ls', z.array(tokenSchema).length(4), tokenSchema],
  ['tokens show abcdefghij', 'tokens show', shownTokenSchema, shownTokenSchema],
  ['tokens show bot2222222', 'tokens show', shownTokenSchema, shownTokenSchema],
  ['tokens show signup2222', 'tokens show', shownTokenSchema, shownTokenSchema],
  ['tokens extend abcdefghij --ttl=1h', 'tokens extend', tokenSchema, tokenSchema],
  ['tokens rm abcdefghij', 'tokens rm', z.array(removedTokenSchema).length(1), removedTokenSchema],
  ['nodes ls', 'nodes ls', z.array(nodeSchema).length(2), nodeSchema],
  [`nodes show ${aNode.id}`, 'nodes show', nodeSchema, nodeSchema],
  [`nodes ban ${aNode.id}`, 'nodes ban', z.array(nodeSchema).length(1), nodeSchema],
  [`nodes unban ${aNode.id}`, 'nodes unban', z.array(nodeSchema).length(1), nodeSchema],
  [`nodes rm ${aNode.id}`, 'nodes rm', z.array(removedNodeSchema).length(1), removedNodeSchema],
  ['bots ls', 'bots ls', z.array(botSchema).length(2), botSchema],
  [`bots ban ${aBot.id}`, 'bots ban', z.array(botSchema).length(1), botSchema],
  [`bots unban ${aBot.id}`, 'bots unban', z.array(botSchema).length(1), botSchema],
  [`bots rm ${aBot.id}`, 'bots rm', z.array(removedBotSchema).length(1), removedBotSchema],
  ['users add bob --roles=viewer', 'users add', newSignupSchema, newSignupSchema],
  ['users reset bob', 'users reset', newSignupSchema, newSignupSchema],
  ['users update ada --roles=viewer', 'users update', userSchema, userSchema],
  ['users ls', 'users ls', z.array(userSchema).length(2), userSchema],
  ['users lock ada', 'users lock', z.array(userSchema).length(1), userSchema],
  ['users unlock ada', 'users unlock', z.array(userSchema).length(1), userSchema],
  ['users rm ada', 'users rm', z.array(removedUserSchema).length(1), removedUserSchema],
  ['whoami', 'whoami', whoamiSchema, whoamiSchema],
]

/** The same for the commands that a person runs on their own machine, in this order. */
const AT_HOME: typeof PROMISES = [
  ['whoami', 'whoami', whoamiSchema, whoamiSchema],
  ['clusters ls', 'clusters ls', z.array(loggedInSchema).length(1), loggedInSchema],
  ['clusters use muster.internal', 'clusters use', usedClusterSchema, usedClusterSchema],
  ['logout', 'logout', loggedOutSchema, loggedOutSchema],
]

describe('output for programs', () => {
  test.each(PROMISES)(
    'the output of %s for programs is as documented under %s',
    async (line, heading, schema, { shape }) => {
      const { status, stdout, stderr } = await cluster.run([...line.split(' '), '--format=json'])
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      schema.parse(JSON.parse(stdout))
      expectDescribed(heading, shape)
    },
  )

  test('the output of login, and of the commands after it, is as documented', async () => {
    const people = await startPeople(cluster)
    try {
      identitySchema.parse(JSON.parse((await people.login({ flags: ['--format=json'] })).stdout))
      expectDescribed('login', identitySchema.shape)
      for (const [line, heading, schema, { shape }] of AT_HOME) {
        const { status, stdout } = await people.run([...line.split(' '), '--format=json'])
        expect({ line, status }).toEqual({ line, status: 0 })
        schema.parse(JSON.parse(stdout))
        expectDescribed(heading, shape)
      }
    } finally {
      await people.close()
    }
  })
})

/** Every key stands in the section of that command, or in one that the section takes keys from. */
function expectDescribed(heading: string, shape: object): void {
  const section = sectionOf(heading)
  const others = [...section.matchAll(/(?:keys of|as in) `([^`]+)`/g)].map(([, other]) => sectionOf(other!))
  for (const key of Object.keys(shape)) expect([section, ...others].join()).toContain(`\`${key}\``)
}

function sectionOf(command: string): string {
  const section = document.split(/^## /m).find((text) => text.split('\n')[0]!.includes(`\`${command}\``))
  return section ?? ''
}
