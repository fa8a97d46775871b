import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { registration } from '@muster/contracts'
import { eventually } from '@muster/testkit'
import { addNode, NodeStatus, refusal, serveRegistration, type Served } from '../../../test/support/service.ts'

let served: Served

beforeAll(async () => {
  served = await serveRegistration()
})
beforeEach(async () => {
  await served.pool.query('truncate nodes')
})
afterAll(async () => {
  await served.close()
})

const EVERY_NODE = { tokenId: '', labels: {}, statuses: [], search: '' }
type Filter = Partial<Omit<registration.ListNodesRequest, 'pageSize' | 'pageToken'>>

function list(pageSize: number, pageToken = '', filter: Filter = {}) {
  return served
    .client(served.cluster.user('ada', 'viewer'))
    .listNodes({ ...EVERY_NODE, ...filter, pageSize, pageToken })
}

/** The host names of all pages, and how many pages there were. */
async function listAll(pageSize: number, filter: Filter): Promise<{ hostnames: string[]; pages: number }> {
  const hostnames: string[] = []
  let pages = 0
  let pageToken = ''
  do {
    const page = await list(pageSize, pageToken, filter)
    hostnames.push(...page.nodes.map(({ hostname }) => hostname))
    pageToken = page.nextPageToken
    pages += 1
  } while (pageToken !== '')
  return { hostnames, pages }
}

async function addNodes(count: number, hostname: (i: number) => string): Promise<string[]> {
  const members = Array.from({ length: count }, () => served.cluster.node())
  await Promise.all(members.map((member, i) => addNode(served.pool, member, { hostname: hostname(i) })))
  return members.map(({ name }) => name)
}

const NEWEST_FIRST = 'select id from nodes where token_id = $1 order by joined_at desc, id desc'

describe('the roll', () => {
  test('the roll is listed in consecutive pages', async () => {
    const ids = await addNodes(7, (i) => `web-${i % 3}`)
    const seen: string[] = []
    let pageToken = ''
    let pages = 0
    do {
      const page = await list(3, pageToken)
      seen.push(...page.nodes.map(({ id }) => id))
      pageToken = page.nextPageToken
      pages += 1
    } while (pageToken !== '')
    expect(pages).toBe(3)
    expect(seen).toHaveLength(7)
    expect(new Set(seen)).toEqual(new Set(ids))
    expect((await list(7)).nextPageToken).toBe('')
    expect((await list(0)).nodes).toHaveLength(7)
  })

  test('the roll can be narrowed to nodes that joined by a token, newest first, in pages too', async () => {
    await addNodes(3, (i) => `web-${i}`)
    const members = Array.from({ length: 5 }, () => served.cluster.node())
    for (const [i, member] of members.entries()) {
      await addNode(served.pool, member, { hostname: `db-${i}`, tokenId: 'zyxwvutsrq' })
    }
    const newest = (await served.pool.query<{ id: string }>(NEWEST_FIRST, ['zyxwvutsrq'])).rows.map(({ id }) => id)
    const first = await list(3, '', { tokenId: 'zyxwvutsrq' })
    const second = await list(3, first.nextPageToken, { tokenId: 'zyxwvutsrq' })
    expect([...first.nodes, ...second.nodes].map(({ id }) => id)).toEqual(newest)
    expect(second.nextPageToken).toBe('')
    expect((await list(0, '', { tokenId: 'aaaaaaaaaa' })).nodes).toEqual([])
    const byName = (await list(1)).nextPageToken
    expect(await refusal(list(3, byName, { tokenId: 'zyxwvutsrq' }))).toMatchObject({ field: 'page_token' })
    expect(await refusal(list(0, '', { tokenId: 'a\0' }))).toMatchObject({ kind: 'invalidArgument', field: 'token_id' })
  })

  test('the roll is empty when nobody has joined', async () => {
    expect(await list(0)).toEqual({ nodes: [], nextPageToken: '' })
  })

  test('the roll ends a page before it outgrows what a client accepts', async () => {
    const labels = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`k${i}`, 'v'.repeat(250)]))
    const ids = await addNodes(150, (i) => `web-${String(i).padStart(3, '0')}`)
    await served.pool.query('update nodes set labels = $1', [labels])
    const seen: string[] = []
    let pageToken = ''
    let pages = 0
    do {
      const page = await list(1_000, pageToken)
      seen.push(...page.nodes.map(({ id }) => id))
      pageToken = page.nextPageToken
      pages += 1
    } while (pageToken !== '')
    expect(pages).toBeGreaterThan(1)
    expect(seen).toHaveLength(ids.length)
  })

  test('the roll says which nodes are online or pending, and when each was last seen', async () => {
    const [online, pending] = (await addNodes(2, (i) => `web-${i}`)) as [string, string]
    await served.pool.query('update nodes set first_seen_at = now(), last_seen_at = now() where id = $1', [online])
    served.presence.beat(online, 60_000)
    await eventually('online', async () => (await served.presence.view([online], 0)).online.has(online))
    const { nodes } = await list(0)
    expect(nodes).toMatchObject([
      { id: online, hostname: 'web-0', status: NodeStatus.ONLINE, lastSeenAt: expect.any(Date), tokenId: 'abcdefghij' },
      { id: pending, hostname: 'web-1', status: NodeStatus.PENDING, lastSeenAt: undefined },
    ])
  })

  test('the roll can be narrowed to nodes that carry all of some labels, in pages too', async () => {
    const labels = [
      { env: 'prod', team: 'web' },
      { env: 'prod' },
      { env: 'lab', team: 'web' },
      { env: 'prod', team: 'web' },
    ]
    for (const [i, of] of labels.entries()) {
      await addNode(served.pool, served.cluster.node(), { hostname: `web-${i}`, labels: of })
    }
    const wanted = { labels: { env: 'prod', team: 'web' } }
    expect(await listAll(1, wanted)).toEqual({ hostnames: ['web-0', 'web-3'], pages: 2 })
    expect((await listAll(0, { labels: { env: 'pro' } })).hostnames).toEqual([])
    expect(await refusal(list(0, '', { labels: { 'a key': '' } }))).toMatchObject({ field: 'labels' })
  })

  test.each([
    ['wEB-1', ['Web-1']],
    ['6805DDA3', ['Web-1']],
    ['10.0.0.7:22', ['Web-1']],
    ['192.0.2.', ['DB-1', 'Web-1']],
    ['team=data', ['DB-1']],
    ['%', []],
    ['prodteam', []],
  ])('the roll can be searched for %j', async (search, hostnames) => {
    const web = { ...served.cluster.node(), name: '6805dda3-779e-493b-8a6b-0d9a3f2f7e11' }
    const remoteAddress = '192.0.2.7'
    await addNode(served.pool, web, { hostname: 'Web-1', advertisedAddress: '10.0.0.7:22', remoteAddress })
    await addNode(served.pool, served.cluster.node(), {
      hostname: 'DB-1',
      labels: { env: 'prod', team: 'data' },
      remoteAddress,
    })
    expect(await listAll(1, { search })).toEqual({ hostnames, pages: Math.max(hostnames.length, 1) })
  })

  test('the roll can be narrowed by status, whatever page the nodes are on', async () => {
    const ids = await addNodes(7, (i) => `web-${i}`)
    const seen = 'update nodes set first_seen_at = now(), last_seen_at = now() where id = any ($1::uuid[])'
    await served.pool.query(seen, [ids.slice(0, 5)])
    const online = [ids[1]!, ids[4]!]
    online.forEach((id) => served.presence.beat(id, 60_000))
    await eventually('online', async () => (await served.presence.view(online, 0)).online.size === 2)
    const { ONLINE, PENDING, EXPIRED } = NodeStatus
    expect(await listAll(1, { statuses: [ONLINE] })).toEqual({ hostnames: ['web-1', 'web-4'], pages: 2 })
    expect((await listAll(2, { statuses: [PENDING, ONLINE] })).hostnames).toEqual(['web-1', 'web-4', 'web-5', 'web-6'])
    expect(await listAll(2, { statuses: [EXPIRED] })).toEqual({ hostnames: [], pages: 1 })
    expect((await listAll(2, { statuses: [ONLINE], search: 'web-4' })).hostnames).toEqual(['web-4'])
  })

  test('the roll can be narrowed to nodes older than a version, by the rules of semantic versions, in pages too', async () => {
    for (const version of ['0.10.0', '0.9.0', '1.0.0-rc.1', '1.0.0', '', 'my-agent']) {
      await addNode(served.pool, served.cluster.node(), { hostname: `web-${version}`.replace(/-$/, ''), version })
    }
    const older = { olderThan: 'v1.0.0' }
    const hostnames = ['web', 'web-0.10.0', 'web-0.9.0', 'web-1.0.0-rc.1', 'web-my-agent']
    expect(await listAll(2, older)).toEqual({ hostnames, pages: 3 })
    expect((await listAll(0, { olderThan: '0.10.0', search: 'web-' })).hostnames).toEqual(['web-0.9.0', 'web-my-agent'])
    expect(await refusal(list(0, '', { olderThan: 'x'.repeat(1_000) }))).toMatchObject({ field: 'older_than' })
    expect(await refusal(list(0, '', { olderThan: '' }))).toMatchObject({ kind: 'invalidArgument' })
  })

  test('the roll by status continues after a page on which no node matches', async () => {
    await served.pool.query(
      `insert into nodes (id, hostname, roles, labels, version, advertised_address, remote_address, token_id, key_fingerprint,
                          certificate_expires_at, joined_at)
       select gen_random_uuid(), 'web-' || to_char(i, 'FM0000'), '{node}', '{}', '', '', '', 'abcdefghij', '', 
              now() + case when i = 2100 then '-1 day' else '1 day' end::interval, now()
         from generate_series(1, 2100) as i`,
    )
    expect(await listAll(10, { statuses: [NodeStatus.EXPIRED] })).toEqual({ hostnames: ['web-2100'], pages: 3 })
  })

  test('the roll refuses an unknown filter', async () => {
    for (const status of [0, 999]) {
      const statuses = [status] as registration.NodeStatus[]
      expect(await refusal(list(0, '', { statuses }))).toMatchObject({ kind: 'invalidArgument', field: 'statuses' })
    }
    for (const search of ['a\0', 'web-1\n6805', 'x'.repeat(257)]) {
      expect(await refusal(list(0, '', { search }))).toMatchObject({ kind: 'invalidArgument', field: 'search' })
    }
  })

  test('the roll refuses a page that is too large, and a page token that the service did not make', async () => {
    expect(await refusal(list(1_001))).toMatchObject({ kind: 'invalidArgument', field: 'page_size' })
    const made = (key: unknown) => Buffer.from(JSON.stringify(key)).toString('base64url')
    const uuid = '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11'
    for (const pageToken of ['x', made(['web', 'no id']), made(['web\0', uuid]), made(['web', uuid, 'x']), made({})]) {
      expect(await refusal(list(10, pageToken))).toMatchObject({ kind: 'invalidArgument', field: 'page_token' })
    }
  })
})
