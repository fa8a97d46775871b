import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { eventually } from '@muster/testkit'
import { addNode, NodeStatus, refusal, serveRegistration, type Served } from '../../test/support/service.ts'

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

function list(pageSize: number, pageToken = '', tokenId = '') {
  return served.client(served.cluster.user('ada', 'viewer')).listNodes({ pageSize, pageToken, tokenId })
}

async function addNodes(count: number, hostname: (i: number) => string): Promise<string[]> {
  const members = Array.from({ length: count }, () => served.cluster.node())
  await Promise.all(members.map((member, i) => addNode(served.pool, member, { hostname: hostname(i) })))
  return members.map(({ name }) => name)
}

describe('the roll', () => {
  test('is given in pages that follow each other', async () => {
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

  test('can be narrowed to those who came in by a token, in pages too', async () => {
    await addNodes(3, (i) => `web-${i}`)
    const members = Array.from({ length: 5 }, () => served.cluster.node())
    for (const [i, member] of members.entries()) {
      await addNode(served.pool, member, { hostname: `db-${i}`, tokenId: 'zyxwvutsrq' })
    }
    const first = await list(3, '', 'zyxwvutsrq')
    const second = await list(3, first.nextPageToken, 'zyxwvutsrq')
    expect([...first.nodes, ...second.nodes].map(({ id }) => id)).toEqual(members.map(({ name }) => name))
    expect(second.nextPageToken).toBe('')
    expect((await list(0, '', 'aaaaaaaaaa')).nodes).toEqual([])
    expect(await refusal(list(0, '', 'a\0'))).toMatchObject({ kind: 'invalidArgument', field: 'token_id' })
  })

  test('is empty when nobody has joined', async () => {
    expect(await list(0)).toEqual({ nodes: [], nextPageToken: '' })
  })

  test('ends a page early before it outgrows what a client takes', async () => {
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

  test('says who is online, who is pending, and when each was last seen', async () => {
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

  test('refuses a page that is too large, and a page token that it did not make', async () => {
    expect(await refusal(list(1_001))).toMatchObject({ kind: 'invalidArgument', field: 'page_size' })
    const made = (key: unknown) => Buffer.from(JSON.stringify(key)).toString('base64url')
    const uuid = '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11'
    for (const pageToken of ['x', made(['web', 'no id']), made(['web\0', uuid]), made(['web', uuid, 'x']), made({})]) {
      expect(await refusal(list(10, pageToken))).toMatchObject({ kind: 'invalidArgument', field: 'page_token' })
    }
  })
})
