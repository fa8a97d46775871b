import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { audit } from '@muster/contracts'
import { everyKindOfPeer } from '@muster/testkit'
import { accessOfEach } from '@muster/testkit/rpc'
import { encodeCursor } from '@muster/domain'
import { parseFilter } from './event-filter.ts'
import { type ListedTo, selectEvents } from './events.ts'
import { recordAudit, type AuditEvent } from './record.ts'
import { filterBy, serveAudit, type Served } from '../test/support/audit.ts'

const { Outcome } = audit
const ADA = 'spiffe://c.internal/user/ada'
const NODE_ID = '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11'

let served: Served

beforeAll(async () => {
  served = await serveAudit()
})
beforeEach(async () => {
  await served.pool.query('truncate audit_events')
})
afterAll(async () => {
  await served.close()
})

async function add(...events: Partial<AuditEvent>[]): Promise<void> {
  for (const event of events) {
    await recordAudit(served.pool, { action: 'token.create', actor: ADA, outcome: 'ok', ...event })
  }
}

async function listed(wanted: Partial<audit.EventFilter> = {}): Promise<string[]> {
  const { events } = await served.client.listEvents({ pageSize: 0, pageToken: '', filter: filterBy(wanted) })
  return events.map(({ action }) => action)
}

describe('the events of a service', () => {
  test('the events of a service are listed newest first, with everything that is known of each', async () => {
    await add({ action: 'token.revoke' })
    await add({
      action: 'node.join',
      actor: 'anonymous',
      remoteAddress: '10.0.0.1',
      outcome: 'refused',
      reason: 'TOKEN_RESTRICTED',
      tokenId: 'abcdefghij',
      nodeId: NODE_ID,
      details: { restriction: 'allow-cidr' },
    })
    const { events, nextPageToken } = await served.client.listEvents({ pageSize: 0, pageToken: '', filter: undefined })
    expect(events).toEqual([
      {
        id: expect.stringMatching(/^\d+$/),
        service: 'token-service',
        at: expect.any(Date),
        action: 'node.join',
        actor: 'anonymous',
        remoteAddress: '10.0.0.1',
        outcome: Outcome.REFUSED,
        reason: 'TOKEN_RESTRICTED',
        tokenId: 'abcdefghij',
        nodeId: NODE_ID,
        detailsJson: '{"restriction":"allow-cidr"}',
        count: 1,
        lastAt: undefined,
      },
      expect.objectContaining({ action: 'token.revoke', outcome: Outcome.OK, reason: '', detailsJson: '{}' }),
    ])
    expect(nextPageToken).toBe('')
  })

  test('the events of a service come in pages without a gap or a repeat, also when their times are equal', async () => {
    await served.pool.query(
      `insert into audit_events (at, action, actor, outcome, details)
       select timestamptz '2026-11-22 10:00:00.000123Z' + (n / 10) * interval '1 microsecond', n::text, 'a', 'ok', '{}'
         from generate_series(0, 44) as n`,
    )
    const found: string[] = []
    let pageToken = ''
    do {
      const page = await served.client.listEvents({ pageSize: 7, pageToken, filter: undefined })
      expect(page.events.length).toBeLessThanOrEqual(7)
      found.push(...page.events.map(({ action }) => action))
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    expect(found).toEqual(Array.from({ length: 45 }, (_, i) => `${44 - i}`))
  })

  test('the events of a service that match a rare filter come in pages that look at a bounded number of events', async () => {
    for (let i = 0; i < 23; i++) await add({ action: i % 10 === 0 ? 'user.remove' : 'node.join' })
    const filter = parseFilter(filterBy({ action: 'user' }))
    const pages: string[][] = []
    let before: ListedTo | undefined
    do {
      const { events, next } = await selectEvents(served.pool, { filter, size: 100, before }, 5)
      pages.push(events.map(({ action }) => action))
      before = next
    } while (before !== undefined)
    expect(pages).toEqual([['user.remove'], [], ['user.remove'], [], ['user.remove']])
  })

  test('the events of a service may be read by operators only', async () => {
    const operators = ['viewer', 'operator', 'admin']
    for (const method of Object.values(audit.AuditServiceService)) {
      const { found, expected } = await accessOfEach(
        everyKindOfPeer(served.cluster),
        operators,
        (material) => served.connect(material),
        method,
      )
      expect(found).toEqual(expected)
    }
  })
})

describe('a filter', () => {
  test('a filter takes an action, or the part before its dot', async () => {
    await add({ action: 'token.create' }, { action: 'token.revoke' }, { action: 'tokens.create' })
    expect(await listed({ action: 'token.create' })).toEqual(['token.create'])
    expect(await listed({ action: 'token' })).toEqual(['token.revoke', 'token.create'])
    expect(await listed({ action: 'tok%' })).toEqual([])
  })

  test('a filter takes an actor, or the last part of its id', async () => {
    await add({ action: 'a', actor: ADA }, { action: 'b', actor: 'anonymous' }, { action: 'c', actor: `${ADA}n` })
    expect(await listed({ actor: ADA })).toEqual(['a'])
    expect(await listed({ actor: 'ada' })).toEqual(['a'])
    expect(await listed({ actor: 'anonymous' })).toEqual(['b'])
  })

  test('a filter takes token, node and outcome, and an event must match all of them', async () => {
    await add({ action: 'a', tokenId: 'abcdefghij', nodeId: NODE_ID })
    await add({ action: 'b', tokenId: 'abcdefghij', outcome: 'refused' }, { action: 'c', nodeId: NODE_ID })
    expect(await listed({ tokenId: 'abcdefghij' })).toEqual(['b', 'a'])
    expect(await listed({ nodeId: NODE_ID })).toEqual(['c', 'a'])
    expect(await listed({ outcome: Outcome.REFUSED })).toEqual(['b'])
    expect(await listed({ tokenId: 'abcdefghij', nodeId: NODE_ID, outcome: Outcome.OK })).toEqual(['a'])
  })

  test('a filter by time uses the last refusal of an event that counts several', async () => {
    await served.pool.query(
      `insert into audit_events (at, last_at, action, actor, outcome, details)
       select now() - at * interval '1 second', now() - last * interval '1 second', action, 'a', 'ok', '{}'
         from (values (100, null, 'old'), (90, 80, 'counted before'), (90, 40, 'counted since'), (50, null, 'young'))
           as event (at, last, action)`,
    )
    const since = new Date(Date.now() - 60_000)
    expect(await listed({ since })).toEqual(['young', 'counted since'])
  })

  test('an invalid filter is rejected with the name of its field', async () => {
    const wrong: [string, Partial<audit.EventFilter>][] = [
      ['action', { action: 'a\0b' }],
      ['actor', { actor: 'x'.repeat(600) }],
      ['token_id', { tokenId: 'é' }],
      ['node_id', { nodeId: 'web-1' }],
      ['outcome', { outcome: 7 as audit.Outcome }],
      ['since', { since: new Date(-8.64e15) }],
    ]
    for (const [field, filter] of wrong) {
      await expect(listed(filter)).rejects.toMatchObject({ kind: 'invalidArgument', field })
    }
  })

  test('a filter does not bypass the check of a page token', async () => {
    const tokens = [
      encodeCursor(['2026-02-30T10:00:00.000000Z', '1']),
      encodeCursor(['0000-01-01T00:00:00.000000Z', '1']),
      encodeCursor(['+275760-09-13T00:00:00.000000Z', '1']),
      encodeCursor(['now', '1']),
      encodeCursor(['2026-11-22T10:00:00.000000Z', '1 or 1']),
    ]
    for (const pageToken of tokens) {
      const call = served.client.listEvents({ pageSize: 1, pageToken, filter: undefined })
      await expect(call).rejects.toMatchObject({ kind: 'invalidArgument', field: 'page_token' })
    }
  })
})
