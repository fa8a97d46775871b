import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { audit } from '@muster/contracts'
import { AppError, type AuditedService } from '@muster/domain'
import { parse as parseYaml } from 'yaml'
import { startTestCluster, type TestCluster } from '../../../test/support/cluster.ts'
import { aNode, aToken, NOW, SECRET } from '../../../test/support/data.ts'

const NODE_ID = '6805dda3-779e-493b-8a6b-0d9a3f2f7e11'

let cluster: TestCluster
/** What each service has on record, newest first. */
let kept: Partial<Record<AuditedService, audit.AuditEvent[]>>
let asked: { service: AuditedService; request: audit.ListEventsRequest }[]
/** Services that are away. */
let away: AuditedService[]

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

beforeEach(() => {
  kept = {}
  asked = []
  away = []
  const answers = (service: AuditedService) => ({
    listEvents: async (request: audit.ListEventsRequest) => {
      asked.push({ service, request })
      if (away.includes(service)) throw new AppError('unavailable', 'the database is not reachable; try again')
      const all = kept[service] ?? []
      const from = Number(request.pageToken)
      const end = from + request.pageSize
      return { events: all.slice(from, end), nextPageToken: end < all.length ? `${end}` : '' }
    },
  })
  cluster.answers = {
    tokens: { getToken: async () => ({ token: aToken }) },
    audit: {
      'token-service': answers('token-service'),
      'ca-service': answers('ca-service'),
      'registration-service': answers('registration-service'),
    },
  }
})

function anEvent(minutesAgo: number, overrides: Partial<audit.AuditEvent> = {}): audit.AuditEvent {
  return {
    id: `${100 - minutesAgo}`,
    service: 'token-service',
    at: new Date(NOW.getTime() - minutesAgo * 60_000),
    action: 'token.create',
    actor: 'spiffe://muster.internal/user/alice',
    remoteAddress: '192.0.2.7',
    outcome: audit.Outcome.OK,
    reason: '',
    tokenId: '',
    nodeId: '',
    detailsJson: '{}',
    count: 1,
    lastAt: undefined,
    ...overrides,
  }
}

const aRefusal = anEvent(1, {
  service: 'registration-service',
  action: 'node.join',
  actor: 'anonymous',
  outcome: audit.Outcome.REFUSED,
  reason: 'TOKEN_RESTRICTED',
  tokenId: 'abcdefghij',
  detailsJson: '{"hostname":"web-1","restriction":"allow-cidr"}',
  count: 12,
  lastAt: new Date('2026-11-22T18:09:50Z'),
})

function run(...argv: string[]) {
  return cluster.run(['audit', 'ls', ...argv], { now: () => NOW })
}

async function actions(...argv: string[]): Promise<string[]> {
  const { stdout } = await run('--format=json', ...argv)
  return (JSON.parse(stdout) as { action: string }[]).map(({ action }) => action)
}

describe('audit ls', () => {
  test('audit ls merges the events of all services, newest first', async () => {
    kept['token-service'] = [anEvent(2, { tokenId: 'abcdefghij', detailsJson: '{"roles":["node"]}' })]
    kept['ca-service'] = [anEvent(3, { action: 'service.enroll', actor: 'anonymous', remoteAddress: '' })]
    kept['registration-service'] = [
      aRefusal,
      anEvent(4, { action: 'node.renew', actor: `spiffe://muster.internal/node/${NODE_ID}`, nodeId: NODE_ID }),
    ]
    const { status, stdout, stderr } = await run()
    expect(stdout.split('\n')).toEqual([
      'Time                  Outcome  Action          Actor          Address    Token       Node                                  Reason                         Count  Details',
      '--------------------  -------  --------------  -------------  ---------  ----------  ------------------------------------  -----------------------------  -----  --------------',
      '2026-11-22 18:09 UTC  refused  node.join       anonymous      192.0.2.7  abcdefghij                                        TOKEN_RESTRICTED (allow-cidr)  12     hostname=web-1',
      '2026-11-22 18:08 UTC  ok       token.create    user/alice     192.0.2.7  abcdefghij                                                                              roles=["node"]',
      '2026-11-22 18:07 UTC  ok       service.enroll  anonymous',
      `2026-11-22 18:06 UTC  ok       node.renew      node/6805dda3  192.0.2.7              ${NODE_ID}`,
      '',
    ])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test('audit ls prints JSON and YAML with stable keys', async () => {
    kept['registration-service'] = [aRefusal]
    kept['token-service'] = [anEvent(2, { nodeId: NODE_ID, remoteAddress: '' })]
    const { stdout } = await run('--format=json')
    const found = JSON.parse(stdout) as unknown[]
    expect(found).toEqual([
      {
        service: 'registration-service',
        id: '99',
        at: '2026-11-22T18:09:21.000Z',
        action: 'node.join',
        actor: 'anonymous',
        remote_address: '192.0.2.7',
        outcome: 'refused',
        reason: 'TOKEN_RESTRICTED',
        token_id: 'abcdefghij',
        node_id: null,
        details: { hostname: 'web-1', restriction: 'allow-cidr' },
        count: 12,
        last_at: '2026-11-22T18:09:50.000Z',
      },
      expect.objectContaining({ outcome: 'ok', reason: null, token_id: null, node_id: NODE_ID, remote_address: null }),
    ])
    const yaml = await run('--format=yaml')
    expect(parseYaml(yaml.stdout)).toEqual(found)
  })

  test('audit ls sends the filters of the flags to each service, with the id of a token and not its secret', async () => {
    await run(
      '--since=1h',
      '--type=token',
      '--actor=alice',
      `--token=${SECRET}`,
      `--node=${NODE_ID}`,
      '--outcome=refused',
    )
    expect(asked.map(({ service }) => service).sort()).toEqual(['ca-service', 'registration-service', 'token-service'])
    for (const { request } of asked) {
      expect(request).toEqual({
        pageSize: 101,
        pageToken: '',
        filter: {
          since: new Date('2026-11-22T17:10:21Z'),
          action: 'token',
          actor: 'alice',
          tokenId: 'abcdefghij',
          nodeId: NODE_ID,
          outcome: audit.Outcome.REFUSED,
        },
      })
    }
  })

  test('audit ls --node takes the host name of a node', async () => {
    const nodes = [{ ...aNode, id: NODE_ID, hostname: 'web-01' }]
    cluster.answers.registration = { listNodes: async () => ({ nodes, nextPageToken: '' }) }
    await run('--node=web-01')
    expect(new Set(asked.map(({ request }) => request.filter?.nodeId))).toEqual(new Set([NODE_ID]))
  })

  test.each([
    ['2d', '2026-11-20T18:10:21.000Z'],
    ['1h30m', '2026-11-22T16:40:21.000Z'],
    ['2026-11-22', '2026-11-22T00:00:00.000Z'],
    ['2026-11-22T18:00', '2026-11-22T18:00:00.000Z'],
    ['2026-11-22 18:00:00.5', '2026-11-22T18:00:00.500Z'],
    ['2026-11-22T18:00:00+02:00', '2026-11-22T16:00:00.000Z'],
  ])('audit ls takes --since=%s', async (since, expected) => {
    await run(`--since=${since}`)
    expect(asked[0]!.request.filter!.since!.toISOString()).toBe(expected)
  })

  test('audit ls takes a token by name', async () => {
    await run('--token=web-tier')
    expect(asked[0]!.request.filter!.tokenId).toBe('abcdefghij')
  })

  test('audit ls --limit prints the newest events of all pages and services, and says that there are more', async () => {
    const named = (name: string, minutes: number[]) => minutes.map((ago) => anEvent(ago, { action: `${name}.${ago}` }))
    kept['token-service'] = named('token', [1, 4, 5, 9])
    kept['ca-service'] = named('ca', [2, 3, 7])
    kept['registration-service'] = named('roll', [6, 8])
    const newest = ['token.1', 'ca.2', 'ca.3', 'token.4', 'token.5', 'roll.6', 'ca.7', 'roll.8', 'token.9']
    expect(await actions()).toEqual(newest)
    expect(await actions('--limit=2')).toEqual(newest.slice(0, 2))
    expect(asked.at(-1)!.request.pageSize).toBe(3)
    const { stdout, stderr } = await run('--limit=8')
    expect(stdout.match(/ ok /g)).toHaveLength(8)
    expect(stderr).toBe(
      'There are more than 8 events: raise --limit, or narrow the list with --since or another filter.\n',
    )
    expect((await run('--limit=9')).stderr).toBe('')
  })

  test('audit ls reads more events than fit on one page', async () => {
    kept['token-service'] = Array.from({ length: 2_500 }, (_, i) => anEvent(i / 60, { action: `token.${i}` }))
    const found = await actions('--limit=3000')
    expect(found).toEqual(Array.from({ length: 2_500 }, (_, i) => `token.${i}`))
  })

  test('audit ls prints the events of the other services when one is down, names it, and exits with 1', async () => {
    kept['token-service'] = [anEvent(1)]
    away = ['ca-service']
    const { status, stdout, stderr } = await run('--format=json')
    expect((JSON.parse(stdout) as unknown[]).length).toBe(1)
    expect(stderr).toMatch(/^musterctl: ca-service at \S+ is not available: the database is not reachable; try again\n/)
    expect(status).toBe(1)
  })

  test('audit ls prints no empty list when every service is down', async () => {
    away = ['token-service', 'ca-service', 'registration-service']
    const { status, stdout, stderr } = await run('--format=json')
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain('is not available: the database is not reachable')
  })

  test('audit ls without events says how to find events', async () => {
    const { status, stdout, stderr } = await run()
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: '',
      stderr: 'No event matches. Leave out a filter, or choose an earlier --since.\n',
    })
  })

  test('audit ls escapes what events contain, so that it cannot control the terminal', async () => {
    kept['token-service'] = [anEvent(1, { detailsJson: JSON.stringify({ hostname: '\u001b[2Jweb\u202e' }) })]
    for (const format of ['text', 'json', 'yaml']) {
      const { stdout } = await run(`--format=${format}`)
      // eslint-disable-next-line no-control-regex
      expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
    }
  })

  test.each([
    ['--since=yesterday', '--since: must be how long ago, such as 1h or 2d, or a time such as'],
    ['--since=2026-13-45', '--since: must be how long ago'],
    ['--node=web 1', '"web 1" is neither an id nor a host name of a node'],
    ['--token=no such', 'neither a token id nor a name'],
    ['--outcome=maybe', '--outcome: "maybe" is not known; valid values: ok, refused'],
    ['--limit=0', '--limit: must be a whole number above zero'],
    ['--limit=many', '--limit: "many" is not a whole number'],
    ['--actor=é', '--actor: must be printable ASCII'],
  ])('audit ls rejects %s as bad usage, and calls no service', async (flag, message) => {
    const { status, stderr } = await run(flag)
    expect(stderr).toContain(message)
    expect({ status, asked }).toEqual({ status: 2, asked: [] })
  })
})
