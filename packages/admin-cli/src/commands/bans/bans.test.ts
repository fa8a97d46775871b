import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { bots, registration, users } from '@muster/contracts'
import { refusal } from '@muster/domain'
import { startTestCluster, type TestCluster } from '../../../test/support/cluster.ts'
import { aBot, aNode, aUser, NOW } from '../../../test/support/data.ts'

const A_DAY = 86_400

let cluster: TestCluster
let asked: unknown[]

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

/** The ban that the service places on this request. */
function placed({ durationSeconds, reason }: { durationSeconds: number; reason: string }) {
  const until = durationSeconds === 0 ? undefined : new Date(NOW.getTime() + durationSeconds * 1000)
  return { bannedAt: NOW, until, by: 'spiffe://muster.internal/user/alice', reason }
}

beforeEach(() => {
  asked = []
  const record = <T>(request: T): T => {
    asked.push(request)
    return request
  }
  cluster.answers.registration = {
    listNodes: async () => ({ nodes: [aNode], nextPageToken: '' }),
    banNode: async (request) => {
      const { BANNED } = registration.NodeStatus
      return { node: { ...aNode, status: BANNED, ban: placed(record(request)) } }
    },
    unbanNode: async (request) => ({ node: record(request) && aNode }),
  }
  cluster.answers.bots = {
    listBots: async () => ({ bots: [aBot], nextPageToken: '' }),
    banBot: async (request) => ({ bot: { ...aBot, state: bots.BotState.BANNED, ban: placed(record(request)) } }),
    unbanBot: async (request) => ({ bot: record(request) && aBot }),
  }
  cluster.answers.users = {
    lockUser: async (request) => {
      if (request.name === 'alice') throw refusal('OWN_LOCK', 'admins cannot lock themselves out; ask another admin')
      return { user: { ...aUser, state: users.UserState.LOCKED, lock: placed(record(request)) } }
    },
    unlockUser: async (request) => ({ user: record(request) && aUser }),
  }
})

const run = (...args: string[]) => cluster.run(args, { now: () => NOW })

describe('nodes ban and unban', () => {
  test('nodes ban takes a host name, and prints how to lift a ban that has no end', async () => {
    const { status, stdout } = await run('nodes', 'ban', 'web-01')
    expect(stdout).toBe(
      `Node web-01 (${aNode.id}) is banned until 'musterctl nodes unban ${aNode.id}'; its agent stops\n`,
    )
    expect({ status, asked }).toEqual({ status: 0, asked: [{ nodeId: aNode.id, durationSeconds: 0, reason: '' }] })
  })

  test('nodes ban sends how long and why, and prints when the ban ends', async () => {
    const { stdout } = await run('nodes', 'ban', '6805dda3', '--for=24h', '--reason=disk copied')
    expect(stdout).toContain('is banned until 2026-11-23 18:10 UTC (in 1d)')
    expect(asked).toEqual([{ nodeId: aNode.id, durationSeconds: A_DAY, reason: 'disk copied' }])
  })

  test('nodes ban prints the nodes as JSON, with the ban', async () => {
    const { stdout } = await run('nodes', 'ban', 'web-01', '--for=24h', '--reason=why', '-o', 'json')
    const ban = {
      banned_at: NOW.toISOString(),
      until: '2026-11-23T18:10:21.000Z',
      by: 'spiffe://muster.internal/user/alice',
      reason: 'why',
    }
    expect(JSON.parse(stdout)).toMatchObject([{ id: aNode.id, status: 'banned', ban }])
  })

  test('nodes unban takes several nodes, and continues after one that does not exist', async () => {
    const { status, stdout, stderr } = await run('nodes', 'unban', 'db-01', 'web-01')
    expect(stdout).toBe(`Node web-01 (${aNode.id}) is let in again; start its agent again if it stopped\n`)
    expect(stderr).toContain('no node has the id or host name db-01')
    expect({ status, asked }).toEqual({ status: 1, asked: [{ nodeId: aNode.id }] })
  })

  test.each([
    [['nodes', 'ban'], 'which node? '],
    [['nodes', 'unban'], 'which node? '],
    [['bots', 'ban'], 'which bot? '],
    [['users', 'lock'], 'which user? '],
    [['nodes', 'ban', 'web-01', '--for=soon'], '--for: "soon" is not a duration'],
    [['nodes', 'ban', 'web-01', '--for=0s'], '--for: must be longer than zero'],
    [['bots', 'ban', 'ci', '--for=99999d'], '--for: must be at most 136 years'],
    [['users', 'lock', 'ada', `--reason=${'x'.repeat(201)}`], '--reason: must be at most 200 characters'],
    [['nodes', 'ban', 'web-01', '--reason=a\nb'], '--reason: must be printable text on one line'],
  ])('%j is bad usage, and bans nobody', async (args, message) => {
    const { status, stderr } = await run(...args)
    expect(stderr).toContain(message)
    expect({ status, asked }).toEqual({ status: 2, asked: [] })
  })
})

describe('bots ban and unban', () => {
  test('bots ban and bots unban take the name of a bot', async () => {
    const { stdout } = await run('bots', 'ban', 'ci', '--reason=leaked')
    expect(stdout).toContain(`Bot ci on build-7 (${aBot.id}) is banned until 'musterctl bots unban ${aBot.id}'`)
    expect((await run('bots', 'unban', 'ci')).stdout).toContain('is not banned; its state is active')
    expect(asked).toEqual([{ botId: aBot.id, durationSeconds: 0, reason: 'leaked' }, { botId: aBot.id }])
  })
})

describe('users lock and unlock', () => {
  test('users lock and users unlock take names', async () => {
    expect((await run('users', 'lock', 'ada', '--for=1h')).stdout).toBe(
      'User ada is locked out until 2026-11-22 19:10 UTC (in 1h)\n',
    )
    expect((await run('users', 'unlock', 'ada')).stdout).toContain('User ada is not locked out; the state is active')
    expect(asked).toEqual([{ name: 'ada', durationSeconds: 3600, reason: '' }, { name: 'ada' }])
  })

  test('users lock continues after a refusal, and exits with 1', async () => {
    const { status, stderr } = await run('users', 'lock', 'alice', 'ada')
    expect(stderr).toContain('musterctl: alice: admins cannot lock themselves out; ask another admin')
    expect({ status, asked }).toMatchObject({ status: 1, asked: [{ name: 'ada' }] })
  })
})

describe('nodes show', () => {
  test('nodes show prints what is known of a node, and its ban', async () => {
    const ban = placed({ durationSeconds: A_DAY, reason: 'disk copied' })
    cluster.answers.registration = {
      listNodes: async () => ({
        nodes: [{ ...aNode, status: registration.NodeStatus.BANNED, ban }],
        nextPageToken: '',
      }),
    }
    const { status, stdout } = await run('nodes', 'show', 'web-01')
    expect(stdout).toMatch(/^Status +banned$/m)
    expect(stdout).toMatch(
      /^Banned +since 2026-11-22 18:10 UTC \(0s ago\), until 2026-11-23 18:10 UTC \(in 1d\), by spiffe:.*, because: disk copied$/m,
    )
    expect(status).toBe(0)
    expect(JSON.parse((await run('nodes', 'show', 'web-01', '-o', 'json')).stdout)).toMatchObject({ id: aNode.id })
  })

  test('nodes show takes exactly one node', async () => {
    expect((await run('nodes', 'show')).stderr).toContain('which node? ')
    expect(await run('nodes', 'show', 'web-01', 'db-01')).toMatchObject({ status: 2 })
  })
})
