import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { bots } from '@muster/contracts'
import { parse as parseYaml } from 'yaml'
import { startTestCluster, type TestCluster } from '../../../test/support/cluster.ts'
import { aBot, aToken, NOW } from '../../../test/support/data.ts'

const { BotState } = bots

let cluster: TestCluster
let asked: bots.ListBotsRequest[]

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

const expired: bots.Bot = {
  ...aBot,
  id: '2f0a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e14',
  state: BotState.EXPIRED,
  renewedAt: undefined,
  certificateExpiresAt: new Date('2026-11-22T17:10:21Z'),
}
const locked: bots.Bot = {
  ...aBot,
  id: '3f0a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e15',
  name: 'deploy',
  state: BotState.LOCKED,
  lockedAt: new Date('2026-11-22T18:05:00Z'),
  lockedFrom: '198.51.100.66',
}

function answer(...pages: bots.Bot[][]) {
  cluster.answers.bots = {
    async listBots(request) {
      asked.push(request)
      const page = Number(request.pageToken || '0')
      return { bots: pages[page] ?? [], nextPageToken: page + 1 < pages.length ? String(page + 1) : '' }
    },
  }
}

beforeEach(() => {
  asked = []
  answer([aBot, expired], [locked])
})

describe('bots ls', () => {
  test('bots ls lists every instance, and explains a locked one: since when, from where and what to do', async () => {
    const { status, stdout, stderr } = await cluster.run(['bots', 'ls'], { now: () => NOW })
    expect(stdout).toBe(
      `Bot  Id                                    Host     Address    Generation  Renewed    Expires   State
---  ------------------------------------  -------  ---------  ----------  ---------  --------  -------
ci   ${aBot.id}  build-7  192.0.2.8  3           10m21s ago  in 49m39s  active
`
        .replace('Renewed    Expires   State', 'Renewed     Expires    State')
        .replace('---------  --------  -------', '----------  ---------  -------') +
        `ci   ${expired.id}  build-7  192.0.2.8  3           never       1h ago     expired
deploy  ${locked.id}  build-7  192.0.2.8  3           10m21s ago  in 49m39s  locked

deploy on build-7 (${locked.id}) is locked since 2026-11-22 18:05 UTC (5m21s ago): a copy of its credentials was used from 198.51.100.66.
Find out who copied them. If the machine can be trusted, let it join again with a new token:
  musterctl tokens add --type=bot --bot-name=deploy
Then remove the locked instance:
  musterctl bots rm ${locked.id}
`,
    )
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test('bots ls colours the state on a terminal', async () => {
    answer([aBot, expired, locked])
    const stdout = { isTTY: true, columns: 140, write: () => {} }
    const ran = await cluster.run(['bots', 'ls'], { now: () => NOW, stdout })
    for (const cell of ['\u001b[32mactive\u001b[39m', '\u001b[33mexpired\u001b[39m', '\u001b[31mlocked\u001b[39m']) {
      expect(ran.stdout).toContain(cell)
    }
  })

  test('bots ls prints JSON and YAML with stable keys', async () => {
    const { stdout } = await cluster.run(['bots', 'ls', '--format=json'])
    const found = JSON.parse(stdout) as unknown[]
    expect(found[2]).toEqual({
      id: locked.id,
      name: 'deploy',
      state: 'locked',
      generation: 3,
      hostname: 'build-7',
      remote_address: '192.0.2.8',
      token_id: 'bot2222222',
      joined_at: '2026-11-22T16:00:00.000Z',
      renewed_at: '2026-11-22T18:00:00.000Z',
      certificate_expires_at: '2026-11-22T19:00:00.000Z',
      locked_at: '2026-11-22T18:05:00.000Z',
      locked_from: '198.51.100.66',
      ban: null,
    })
    expect(found[0]).toMatchObject({ name: 'ci', state: 'active', locked_at: null, locked_from: null })
    expect(found[1]).toMatchObject({ state: 'expired', renewed_at: null })
    expect(parseYaml((await cluster.run(['bots', 'ls', '--format=yaml'])).stdout)).toEqual(found)
  })

  test('bots ls --token lists the bot that joined with it', async () => {
    cluster.answers.tokens = { getToken: async () => ({ token: aToken }) }
    await cluster.run(['bots', 'ls', '--token=ci-token'])
    expect(asked[0]).toMatchObject({ tokenId: 'abcdefghij' })
  })

  test('bots ls explains twenty locked bots and counts the others', async () => {
    answer(Array.from({ length: 23 }, () => locked))
    const { stdout } = await cluster.run(['bots', 'ls'], { now: () => NOW })
    expect(stdout.match(/is locked since/g)).toHaveLength(20)
    expect(stdout).toMatch(/\n3 more bots are locked\.\n$/)
  })

  test('bots ls without bots says how to create a token for the first bot', async () => {
    answer([])
    const { status, stdout, stderr } = await cluster.run(['bots', 'ls'])
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
    expect(stderr).toContain('musterctl tokens add --type=bot --bot-name=NAME')
  })
})
