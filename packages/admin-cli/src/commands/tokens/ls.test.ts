import { EventEmitter } from 'node:events'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { token } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { eventually } from '@muster/testkit'
import { parse as parseYaml } from 'yaml'
import { main } from '../../cli.ts'
import { startTestCluster, type TestCluster } from '../../../test/support/cluster.ts'
import { aSignupToken, aStaticToken, aToken, NOW } from '../../../test/support/data.ts'

const { TokenState, TokenType } = token

let cluster: TestCluster
let asked: token.ListTokensRequest[]

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

describe('tokens ls', () => {
  const proxy = {
    ...aToken,
    id: 'klmnopqrst',
    roles: ['node', 'proxy'],
    uses: 7,
    expiresAt: new Date('2026-12-24T18:00:00Z'),
  }
  const pages: Record<string, token.ListTokensResponse> = {
    '': { tokens: [{ ...aToken, labels: { env: 'prod' }, uses: 2, maxUses: 5 }, proxy], nextPageToken: 'more' },
    more: { tokens: [{ ...proxy, id: 'wwwwwwwwww', roles: ['app', 'db', 'kube', 'node'] }], nextPageToken: '' },
  }

  beforeEach(() => {
    asked = []
    answer((request) => pages[request.pageToken]!)
  })

  function answer(page: (request: token.ListTokensRequest) => token.ListTokensResponse) {
    cluster.answers.tokens = {
      async listTokens(request) {
        asked.push(request)
        return page(request)
      },
    }
  }

  test('tokens ls lists every page, with uses and the time left, in the layout of the first page', async () => {
    const { status, stdout } = await cluster.run(['tokens', 'ls'], { now: () => NOW })
    expect(stdout.split('\n')).toEqual([
      'Token id    Type        Labels    Uses  Expires',
      '----------  ----------  --------  ----  --------------------------------',
      'abcdefghij  node        env=prod  2/5   2026-11-22 18:15 UTC (in 4m39s)',
      'klmnopqrst  node,proxy            7     2026-12-24 18:00 UTC (in 31d23h)',
      'wwwwwwwwww  app,db,kube,node            7     2026-12-24 18:00 UTC (in 31d23h)',
      '',
    ])
    expect(status).toBe(0)
  })

  test('tokens ls prints the types of join, signup, bot and static tokens; static ones never expire', async () => {
    const bot = { ...aToken, id: 'bot2222222', roles: ['bot'], botName: 'ci', maxUses: 1 }
    answer(() => ({ tokens: [aToken, bot, aSignupToken, aStaticToken], nextPageToken: '' }))
    const { stdout } = await cluster.run(['tokens', 'ls'], { now: () => NOW })
    expect(stdout.split('\n').slice(2)).toEqual([
      'abcdefghij  node                   0     2026-11-22 18:15 UTC (in 4m39s)',
      'bot2222222  bot (ci)               0/1   2026-11-22 18:15 UTC (in 4m39s)',
      'signup2222  signup (bob)           0/1   2026-11-22 18:15 UTC (in 4m39s)',
      'static2222  node (static)          0     never',
      '',
    ])
  })

  test('tokens ls shows names and descriptions if a token of the first page has one', async () => {
    answer(() => ({ tokens: [aToken, { ...aToken, name: 'web', description: 'the web tier' }], nextPageToken: '' }))
    const { stdout } = await cluster.run(['tokens', 'ls'], { now: () => NOW })
    expect(stdout).toMatch(/^Token id +Name +Type .*Expires +Description\n/)
    expect(stdout).toMatch(/abcdefghij +web +node .*\(in 4m39s\) +the web tier\n/)
  })

  test('tokens ls lists tokens of every type that can still admit someone', async () => {
    await cluster.run(['tokens', 'ls'])
    expect(asked[0]).toEqual({
      pageSize: 1000,
      pageToken: '',
      types: [],
      roles: [],
      labels: {},
      states: [],
      used: false,
    })
    expect(asked[1]).toMatchObject({ pageToken: 'more' })
  })

  test.each([
    [['--type=Node,static'], { roles: ['node'], types: [TokenType.STATIC] }],
    [['--type=signup,join'], { roles: [], types: [TokenType.SIGNUP, TokenType.JOIN] }],
    [['--labels=env=prod,team=web'], { labels: { env: 'prod', team: 'web' } }],
    [['--used'], { used: true, states: [TokenState.LIVE, TokenState.USED_UP] }],
    [['--expired'], { used: false, states: [TokenState.EXPIRED, TokenState.USED_UP, TokenState.REVOKED] }],
    [['--expired', '--used'], { used: true, states: [TokenState.EXPIRED, TokenState.USED_UP, TokenState.REVOKED] }],
  ])('tokens ls with %j asks the server for matching tokens only, page after page', async (flags, filter) => {
    const { status } = await cluster.run(['tokens', 'ls', ...flags])
    expect(asked).toMatchObject([filter, filter])
    expect(status).toBe(0)
  })

  test('tokens ls prints how tokens ended, in colour on a terminal', async () => {
    const ended = [
      { ...aToken, state: TokenState.EXPIRED, expiresAt: new Date('2026-11-22T16:10:21Z') },
      { ...aToken, id: 'used222222', state: TokenState.USED_UP, uses: 1, maxUses: 1 },
      { ...aToken, id: 'revoked222', state: TokenState.REVOKED },
    ]
    answer(() => ({ tokens: ended, nextPageToken: '' }))
    const stdout = { isTTY: true, columns: 120, write: () => {} }
    const ran = await cluster.run(['tokens', 'ls', '--expired'], { now: () => NOW, stdout })
    expect(ran.stdout.split('\n')).toEqual([
      'Token id    Type  Labels  Uses  State    Expires',
      '----------  ----  ------  ----  -------  -------------------------------',
      'abcdefghij  node          0     \u001b[33mexpired\u001b[39m  2026-11-22 16:10 UTC (2h ago)',
      'used222222  node          1/1   \u001b[33mused up\u001b[39m  2026-11-22 18:15 UTC (in 4m39s)',
      'revoked222  node          0     \u001b[31mrevoked\u001b[39m  2026-11-22 18:15 UTC (in 4m39s)',
      '',
    ])
  })

  test('tokens ls prints JSON and YAML with stable keys and no secret', async () => {
    const { stdout } = await cluster.run(['tokens', 'ls', '--format=json'])
    const found = JSON.parse(stdout) as Record<string, unknown>[]
    expect(found.map(({ id, max_uses: maxUses }) => [id, maxUses])).toEqual([
      ['abcdefghij', 5],
      ['klmnopqrst', null],
      ['wwwwwwwwww', null],
    ])
    expect(Object.keys(found[0]!)).not.toContain('token')
    const yaml = await cluster.run(['tokens', 'ls', '--format=yaml'])
    expect(parseYaml(yaml.stdout)).toEqual(found)
  })

  test('tokens ls without tokens says so on standard error only', async () => {
    answer(() => ({ tokens: [], nextPageToken: '' }))
    expect(await cluster.run(['tokens', 'ls'])).toEqual({
      status: 0,
      stdout: '',
      stderr: "No active tokens. 'musterctl tokens add --type=node' creates one.\n",
    })
    expect(await cluster.run(['tokens', 'ls', '--used'])).toMatchObject({
      stderr: expect.stringMatching(/^No token matches\. /),
    })
    for (const format of ['json', 'yaml']) {
      const ran = await cluster.run(['tokens', 'ls', `--format=${format}`])
      expect(ran).toEqual({ status: 0, stdout: '[]\n', stderr: '' })
    }
  })

  test.each([
    ['text', 20],
    ['json', 20],
    ['yaml', 3],
  ])('tokens ls prints a long list as %s page by page, and holds one page at a time', async (format, pageCount) => {
    let held = 0
    let most = 0
    answer(({ pageToken }) => {
      const page = Number(pageToken || '0')
      most = Math.max(most, ++held)
      const tokens = Array.from({ length: 1000 }, (_, i) => ({ ...aToken, uses: page * 1000 + i }))
      return { tokens, nextPageToken: page === pageCount - 1 ? '' : String(page + 1) }
    })
    const stdout = { write: () => void (held = 0) }
    const ran = await cluster.run(['tokens', 'ls', `--format=${format}`], { stdout })
    expect(ran.status).toBe(0)
    expect(most).toBe(1)
    const counted = {
      text: () => ran.stdout.trimEnd().split('\n').length - 2,
      yaml: () => ran.stdout.match(/^- id: /gm)?.length,
      json: () => (JSON.parse(ran.stdout) as { uses: number }[]).at(-1)!.uses + 1,
    }
    expect(counted[format as keyof typeof counted]()).toBe(pageCount * 1000)
  })

  test('tokens ls waits for a slow reader before it asks for more', async () => {
    let text = ''
    const reader = Object.assign(new EventEmitter(), {
      writableNeedDrain: false,
      write(more: string) {
        text += more
        reader.writableNeedDrain = true
      },
    })
    const world = { stdout: reader, stderr: { write: () => {} }, env: {}, cwd: cluster.dir }
    const running = main(['tokens', 'ls', '--format=json'], world)
    const drain = async () => {
      await eventually('waits', () => reader.listenerCount('drain') === 1)
      reader.writableNeedDrain = false
      reader.emit('drain')
    }
    await eventually('waits', () => reader.listenerCount('drain') === 1)
    expect(asked).toHaveLength(1)
    await drain()
    await drain()
    expect(await running).toBe(0)
    expect(JSON.parse(text)).toHaveLength(3)
    expect(asked).toHaveLength(2)
  })

  test('tokens ls exits with 1 when its list breaks off', async () => {
    answer(({ pageToken }) => {
      if (pageToken !== '') throw new AppError('unavailable', 'the server is shutting down')
      return pages['']!
    })
    const { status, stdout, stderr } = await cluster.run(['tokens', 'ls', '--format=json'])
    expect(() => JSON.parse(stdout) as unknown).toThrow()
    expect(stderr).toContain('the server is shutting down')
    expect(status).toBe(1)
  })
})
