import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { bots, token } from '@muster/contracts'
import { z } from 'zod'
import { startTestCluster, type TestCluster } from './test-cluster.ts'
import { aBot, aNode, aSignup, aSignupToken, aStaticToken, aToken } from './test-data.ts'
import {
  botSchema,
  newTokenSchema,
  nodeSchema,
  removedNodeSchema,
  removedTokenSchema,
  shownTokenSchema,
  tokenSchema,
} from './test-schemas.ts'

let cluster: TestCluster
let document: string

beforeAll(async () => {
  document = await readFile(new URL('../../../docs/cli-output.md', import.meta.url), 'utf8')
  cluster = await startTestCluster()
  const locked = { ...aBot, state: bots.BotState.LOCKED, lockedAt: aBot.joinedAt, lockedFrom: '192.0.2.66' }
  const revoked = { ...aToken, name: 'web', state: token.TokenState.REVOKED, maxUses: 3, revokedAt: aToken.createdAt }
  const bundle = { version: 1, clusterName: 'muster.internal', hostRootsDer: [cluster.hostRootDer], userRootsDer: [] }
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
      listNodes: async () => ({ nodes: [aNode, { ...aNode, lastSeenAt: undefined }], nextPageToken: '' }),
      removeNode: async () => ({ node: aNode }),
    },
    bots: { listBots: async () => ({ bots: [aBot, { ...locked, renewedAt: undefined }], nextPageToken: '' }) },
    audit: {
      'registration-service': {
        listEvents: async () => ({ events: [aSignup], nextPageToken: '' }),
      },
    },
  }
})
afterAll(() => cluster.close())

/** What every command that prints JSON promises, and the heading of docs/cli-output.md that says so. */
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
  [`nodes rm ${aNode.id}`, 'nodes rm', z.array(removedNodeSchema).length(1), removedNodeSchema],
  ['bots ls', 'bots ls', z.array(botSchema).length(2), botSchema],
]

describe('what is printed for programs', () => {
  test.each(PROMISES)('by %s is as documented under %s', async (line, heading, schema, { shape }) => {
    const { status, stdout, stderr } = await cluster.run([...line.split(' '), '--format=json'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    schema.parse(JSON.parse(stdout))
    const described = sectionOf(heading) + (/\btokens ls\b/.test(sectionOf(heading)) ? sectionOf('tokens ls') : '')
    for (const key of Object.keys(shape)) expect(described).toContain(`\`${key}\``)
  })
})

function sectionOf(command: string): string {
  const section = document.split(/^## /m).find((text) => text.split('\n')[0]!.includes(`\`${command}\``))
  return section ?? ''
}
