import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { audit, bots, token } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { parse as parseYaml } from 'yaml'
import { startTestCluster, type TestCluster } from '../../../test/support/cluster.ts'
import { aBot, aNode, aSignup, aSignupToken, aStaticToken, aToken, NOW, SECRET } from '../../../test/support/data.ts'

let cluster: TestCluster
let shown: token.Token

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

beforeEach(() => {
  shown = {
    ...aToken,
    name: 'web',
    description: 'the web tier',
    labels: { env: 'prod' },
    createdAt: new Date('2026-11-22T18:05:00Z'),
    maxUses: 5,
    uses: 2,
    restrictions: { allowCidrs: ['10.0.0.0/8', '192.0.2.0/24'], allowHostnames: ['web-*'] },
    nodeLabels: { zone: 'a' },
  }
  const second = { ...aNode, id: '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e12', hostname: 'web-02' }
  cluster.answers = {
    tokens: {
      async getToken({ idOrName }) {
        if (![shown.id, shown.name].includes(idOrName)) throw new AppError('notFound', 'no such token')
        return { token: shown }
      },
    },
    registration: {
      async listNodes({ tokenId, pageToken }) {
        if (tokenId !== shown.id) return { nodes: [], nextPageToken: '' }
        return pageToken === '' ? { nodes: [aNode], nextPageToken: 'more' } : { nodes: [second], nextPageToken: '' }
      },
    },
  }
})

const show = (...args: string[]) => cluster.run(['tokens', 'show', ...args], { now: () => NOW })

describe('tokens show', () => {
  test('tokens show prints the token and who joined with it', async () => {
    const { status, stdout, stderr } = await show('abcdefghij')
    expect(stdout).toBe(`Token id     abcdefghij
Name         web
Type         node
State        live
Description  the web tier
Labels       env=prod
Created      2026-11-22 18:05 UTC (5m21s ago)
Created by   spiffe://muster.internal/user/alice
Expires      2026-11-22 18:15 UTC (in 4m39s)
Uses         2 of 5, 3 left
Networks     10.0.0.0/8, 192.0.2.0/24
Host names   web-*
Node labels  zone=a

Joined with it:

Host    UUID                                  Address    Joined                            Status
------  ------------------------------------  ---------  --------------------------------  ------
web-01  6805dda3-779e-493b-8a6b-0d9a3f2f7e11  192.0.2.7  2026-11-20 08:00 UTC (2d10h ago)  online
web-02  0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e12  192.0.2.7  2026-11-20 08:00 UTC (2d10h ago)  online
`)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test('tokens show prints the same as JSON and YAML', async () => {
    const { stdout } = await show('web', '--format=json')
    expect(JSON.parse(stdout)).toEqual({
      id: 'abcdefghij',
      type: 'join',
      state: 'live',
      name: 'web',
      roles: ['node'],
      labels: { env: 'prod' },
      description: 'the web tier',
      bot_name: null,
      user_name: null,
      max_uses: 5,
      uses: 2,
      uses_left: 3,
      allow_cidrs: ['10.0.0.0/8', '192.0.2.0/24'],
      allow_hostnames: ['web-*'],
      node_labels: { zone: 'a' },
      created_by: 'spiffe://muster.internal/user/alice',
      created_at: '2026-11-22T18:05:00.000Z',
      expires_at: '2026-11-22T18:15:00.000Z',
      revoked_at: null,
      nodes: ['web-01', 'web-02'].map((hostname) => ({
        id: hostname === 'web-01' ? aNode.id : '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e12',
        hostname,
        address: '192.0.2.7',
        joined_at: '2026-11-20T08:00:00.000Z',
        status: 'online',
      })),
      bots: [],
      people: [],
    })
    const yaml = await show('web', '--format=yaml')
    expect(parseYaml(yaml.stdout)).toEqual(JSON.parse(stdout))
  })

  test('tokens show sends the id of a whole token and not its secret', async () => {
    expect((await show(SECRET)).stdout).toMatch(/^Token id +abcdefghij\n/)
  })

  test('tokens show shows the newest nodes of a token that admitted a fleet, and where the others are', async () => {
    shown.uses = 500_000
    const asked: number[] = []
    cluster.answers.registration = {
      async listNodes({ pageSize }) {
        asked.push(pageSize)
        const nodes = Array.from({ length: pageSize }, (_, i) => ({ ...aNode, hostname: `web-${i}` }))
        return { nodes, nextPageToken: `after ${asked.length}` }
      },
    }
    const { stdout, stderr } = await show('abcdefghij', '--limit=3')
    expect(stdout).toMatch(/web-0 .*\nweb-1 .*\nweb-2 .*\n$/)
    expect(stderr).toBe(
      `These are the newest 3: raise --limit, or see all with 'musterctl nodes ls --token=abcdefghij'.\n`,
    )
    expect(asked).toEqual([4])
    expect(JSON.parse((await show('abcdefghij', '--limit=2', '--format=json')).stdout)).toMatchObject({
      uses: 500_000,
      nodes: [{ hostname: 'web-0' }, { hostname: 'web-1' }],
    })
    expect((await show('abcdefghij', '--limit=0')).status).toBe(2)
  })

  test('tokens show counts the nodes that are no longer listed', async () => {
    shown.uses = 3
    expect((await show('abcdefghij')).stdout).toMatch(
      /\n1 more was admitted and is no longer listed: see 'musterctl audit ls --token abcdefghij'\.\n$/,
    )
    cluster.answers.registration = { listNodes: async () => ({ nodes: [], nextPageToken: '' }) }
    expect((await show('abcdefghij')).stdout).toContain('\n3 were admitted and are no longer listed: ')
  })

  test('tokens show shows the instance of a bot token', async () => {
    shown = { ...aToken, id: 'bot2222222', roles: ['bot'], botName: 'ci', maxUses: 1, uses: 1 }
    shown.state = token.TokenState.USED_UP
    const locked = { ...aBot, state: bots.BotState.LOCKED }
    cluster.answers.bots = {
      listBots: async ({ tokenId }) => ({ bots: tokenId === 'bot2222222' ? [locked] : [], nextPageToken: '' }),
    }
    const { stdout } = await show('bot2222222')
    expect(stdout).toMatch(/^Type +bot \(ci\)\nState +used up\n/m)
    expect(stdout).toMatch(/^Uses +1 of 1\n/m)
    expect(stdout).toMatch(
      new RegExp(`^ci +build-7 +${aBot.id} +192.0.2.8 +2026-11-22 16:00 UTC \\(2h10m ago\\) +locked$`, 'm'),
    )
    const { nodes, bots: found } = JSON.parse((await show('bot2222222', '--format=json')).stdout) as Record<
      string,
      unknown
    >
    expect({ nodes, found }).toEqual({
      nodes: [],
      found: [
        {
          name: 'ci',
          id: aBot.id,
          hostname: 'build-7',
          address: '192.0.2.8',
          joined_at: '2026-11-22T16:00:00.000Z',
          status: 'locked',
        },
      ],
    })
  })

  test('tokens show shows who signed up with a signup token, from where and when', async () => {
    shown = { ...aSignupToken, uses: 1, state: token.TokenState.USED_UP }
    const asked: (audit.EventFilter | undefined)[] = []
    cluster.answers.audit = {
      'registration-service': {
        async listEvents({ filter }) {
          asked.push(filter)
          return { events: [aSignup], nextPageToken: '' }
        },
      },
    }
    const { stdout } = await show('signup2222')
    expect(stdout).toMatch(/^Type +signup \(bob\)$/m)
    expect(stdout).toMatch(/^bob +192\.0\.2\.9 +2026-11-22 18:00 UTC \(10m21s ago\)$/m)
    expect(asked).toMatchObject([{ tokenId: 'signup2222', action: 'user.signup', outcome: audit.Outcome.OK }])
    const json = JSON.parse((await show('signup2222', '--format=json')).stdout) as { people: unknown }
    expect(json.people).toEqual([{ name: 'bob', address: '192.0.2.9', signed_up_at: '2026-11-22T18:00:00.000Z' }])
  })

  test('tokens show names the person of a signup token whose audit event is gone', async () => {
    shown = { ...aSignupToken, uses: 1 }
    cluster.answers.audit = { 'registration-service': { listEvents: async () => ({ events: [], nextPageToken: '' }) } }
    const json = JSON.parse((await show('signup2222', '--format=json')).stdout) as { people: unknown }
    expect(json.people).toEqual([{ name: 'bob', address: null, signed_up_at: null }])
  })

  test('tokens show does not look up a person for an unused signup token', async () => {
    shown = aSignupToken
    cluster.answers.audit = {}
    const json = JSON.parse((await show('signup2222', '--format=json')).stdout) as { people: unknown }
    expect(json.people).toEqual([])
  })

  test('tokens show prints where a static token is defined, and that it never expires', async () => {
    shown = aStaticToken
    const { stdout } = await show('static2222')
    expect(stdout).toMatch(/^Defined in +\/etc\/muster\/token-service\.yaml:3\nExpires +never\nUses +0, no limit\n/m)
  })

  test('tokens show with an unknown token exits with 1', async () => {
    const { status, stdout, stderr } = await show('qqqqqqqqqq')
    expect(stderr).toContain('musterctl: no such token\n')
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  })
})
