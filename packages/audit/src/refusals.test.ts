import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { eventually, manualClock, type ManualClock } from '@muster/testkit'
import { createLogger } from '@muster/service-kit'
import { Refusals, type Refusal } from './refusals.ts'
import { openStore, silentLog, type Store } from '../test/support/audit.ts'

let store: Store
let clock: ManualClock
let refusals: Refusals

beforeAll(async () => {
  store = await openStore()
})
beforeEach(async () => {
  await store.pool.query('truncate audit_events')
  clock = manualClock()
  refusals = new Refusals(store.pool, silentLog, clock)
})
afterEach(async () => {
  await refusals.close()
})
afterAll(async () => {
  await store.close()
})

const event: Refusal = {
  action: 'node.join',
  actor: 'anonymous',
  remoteAddress: '10.0.0.1',
  reason: 'TOKEN_UNKNOWN',
  tokenId: 'abcdefghij',
  nodeId: '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11',
  details: { hostname: 'web-1' },
}

interface Row {
  outcome: string
  reason: string
  remote_address: string | null
  actor: string
  token_id: string | null
  details: Record<string, unknown>
  count: number
  last_at: Date | null
}

async function rows(): Promise<Row[]> {
  const columns = 'action, actor, outcome, reason, remote_address, token_id, node_id, details, count, last_at'
  return (await store.pool.query<Row>(`select ${columns} from audit_events order by id`)).rows
}

async function counted(): Promise<number> {
  return (await rows()).reduce((sum, { count }) => sum + count, 0)
}

/** An event from an address of its own. */
function from(source: number, overrides: Partial<Refusal> = {}): Refusal {
  return { ...event, remoteAddress: `10.1.${source >> 8}.${source & 255}`, ...overrides }
}

describe('a refusal', () => {
  test('a refusal becomes a row at once', async () => {
    await refusals.record(event)
    expect(await rows()).toEqual([
      {
        action: 'node.join',
        actor: 'anonymous',
        outcome: 'refused',
        reason: 'TOKEN_UNKNOWN',
        remote_address: '10.0.0.1',
        token_id: 'abcdefghij',
        node_id: '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11',
        details: { hostname: 'web-1' },
        count: 1,
        last_at: null,
      },
    ])
  })

  test('equal refusals share one row, whose count grows by itself', async () => {
    for (let i = 0; i < 3; i++) await refusals.record(event)
    await eventually('counted', async () => {
      await clock.advance(1_000)
      return (await counted()) === 3
    })
    expect(await rows()).toMatchObject([{ count: 3, last_at: expect.any(Date) }])
  })

  test('a refusal differs from another by caller, address, reason, restriction, token, node and action', async () => {
    const others: Partial<Refusal>[] = [
      { actor: 'spiffe://c.internal/node/a' },
      { remoteAddress: '10.0.0.2' },
      { reason: 'TOKEN_EXPIRED' },
      { details: { restriction: 'allow-cidr' } },
      { tokenId: 'bbbbbbbbbb' },
      { nodeId: '1b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11' },
      { action: 'node.renew' },
    ]
    await refusals.record(event)
    await refusals.record({ ...event, details: { hostname: 'web-2' } })
    for (const other of others) await refusals.record({ ...event, ...other })
    await refusals.close()
    expect((await rows()).map(({ count }) => count)).toEqual([2, 1, 1, 1, 1, 1, 1, 1])
  })

  test('a refusal a minute after the first starts a new row, and both are counted', async () => {
    await refusals.record(event)
    await clock.advance(59_999)
    await refusals.record(event)
    await clock.advance(1)
    await refusals.record(event)
    await refusals.record(event)
    await refusals.close()
    const [first, second] = await rows()
    expect([first!.count, second!.count]).toEqual([2, 2])
  })

  test('a refusal repeated by 500 callers on two replicas is counted 500 times, in one row per replica', async () => {
    const other = new Refusals(store.openPool(), silentLog, clock)
    await Promise.all(Array.from({ length: 500 }, (_, i) => (i % 2 === 0 ? refusals : other).record(event)))
    await Promise.all([refusals.close(), other.close()])
    expect((await rows()).map(({ count }) => count)).toEqual([250, 250])
  })

  test('a refusal whose row was deleted meanwhile is written again, with its count', async () => {
    await refusals.record(event)
    await store.pool.query('delete from audit_events')
    await refusals.record(event)
    await refusals.close()
    expect(await rows()).toMatchObject([{ count: 2 }])
  })
})

describe('a flood of refusals', () => {
  test('a flood of refusals from many sources writes twenty rows a second and one for the rest, and counts every refusal', async () => {
    await Promise.all(Array.from({ length: 300 }, (_, i) => refusals.record(from(i))))
    await refusals.close()
    const found = await rows()
    expect(found).toHaveLength(21)
    expect(found.find(({ details }) => details['sources'] === 'many')).toMatchObject({
      outcome: 'refused',
      reason: 'TOKEN_UNKNOWN',
      actor: 'anonymous',
      remote_address: null,
      count: 280,
    })
    expect(await counted()).toBe(300)
  })

  test('a flood of refusals leaves room for others in the next second, and keeps other reasons in rows of their own', async () => {
    for (let i = 0; i < 25; i++) await refusals.record(from(i))
    for (let i = 0; i < 3; i++)
      await refusals.record(from(i, { reason: 'TOKEN_EXPIRED', actor: `spiffe://c/node/${i}` }))
    await clock.advance(1_000)
    await refusals.record(from(1_000))
    await refusals.close()
    const many = (await rows()).filter(({ details }) => details['sources'] === 'many')
    expect(many).toMatchObject([
      { reason: 'TOKEN_UNKNOWN', actor: 'anonymous', count: 5 },
      { reason: 'TOKEN_EXPIRED', actor: 'many', count: 3 },
    ])
    expect((await rows()).at(-1)).toMatchObject({ remote_address: '10.1.3.232' })
  })

  test('a flood of refusals from one source, each for another token, leaves other sources their rows: twenty a minute and one for the rest', async () => {
    const names = (i: number) => ({ ...event, tokenId: `aaaaaaa${String(i).padStart(3, '0')}` })
    let recorded = 0
    for (let second = 0; second < 50; second++) {
      for (let i = 0; i < 20; i++) await refusals.record(names(recorded++))
      await clock.advance(1_000)
    }
    await refusals.record(from(7, { action: 'user.signup', reason: 'TOKEN_USED_UP' }))
    await refusals.record({ ...event, actor: 'spiffe://c.internal/bot/ci', action: 'bot.renew', reason: 'BOT_LOCKED' })
    await refusals.close()
    const found = await rows()
    expect(found).toHaveLength(23)
    expect(found.find(({ details }) => details['tokens'] === 'many')).toMatchObject({
      reason: 'TOKEN_UNKNOWN',
      actor: 'anonymous',
      remote_address: '10.0.0.1',
      token_id: null,
      node_id: null,
      count: 980,
    })
    expect(found.at(-2)).toMatchObject({ reason: 'TOKEN_USED_UP', remote_address: '10.1.0.7', token_id: 'abcdefghij' })
    expect(found.at(-1)).toMatchObject({ reason: 'BOT_LOCKED', remote_address: '10.0.0.1', token_id: 'abcdefghij' })
    expect(await counted()).toBe(1_002)

    await clock.advance(60_000)
    await refusals.record(names(0))
    await refusals.close()
    expect((await rows()).at(-1)).toMatchObject({ token_id: 'aaaaaaa000', count: 1 })
  })

  test('a flood of refusals from one source shares one row for a minute; then its refusals get rows of their own again', async () => {
    let recorded = 0
    const next = () => ({ ...event, tokenId: `aaaaaaa${String(recorded++).padStart(3, '0')}` })
    for (let i = 0; i < 21; i++) {
      await refusals.record(next())
      await clock.advance(100)
    }
    expect((await rows()).at(-1)).toMatchObject({ token_id: null, details: { tokens: 'many' } })
    await clock.advance(60_000)
    await eventually('told apart', async () => {
      await clock.advance(1_000)
      const refusal = next()
      await refusals.record(refusal)
      return (await rows()).some(({ token_id: tokenId }) => tokenId === refusal.tokenId)
    })
  })

  test('a flood of refusals from many addresses of one IPv6 network counts as one source', async () => {
    for (let i = 0; i < 50; i++) {
      await refusals.record({ ...event, remoteAddress: `2001:db8:1:2::${i}` })
      await clock.advance(200)
    }
    await refusals.close()
    const found = await rows()
    expect(found).toHaveLength(21)
    expect(found.at(-1)).toMatchObject({ remote_address: '2001:db8:1:2::/64', details: { tokens: 'many' }, count: 30 })
  })

  test('a flood of refusals that continues has at most a thousand open rows', async () => {
    let recorded = 0
    for (let second = 0; second < 55; second++) {
      await Promise.all(Array.from({ length: 22 }, () => refusals.record(from(recorded++))))
      await clock.advance(1_000)
    }
    await refusals.close()
    expect((await rows()).length).toBe(1_000)
    expect(await counted()).toBe(recorded)
  })
})

describe('refusals while the database is away', () => {
  test('refusals while the database is away cause no error, are logged, and are written when the database is back', async () => {
    const lines: Record<string, unknown>[] = []
    const log = createLogger('test', 'info', { write: (line) => void lines.push(JSON.parse(line)) })
    const unlucky = new Refusals(store.pool, log, clock)
    await store.pool.query('alter table audit_events rename to away')
    try {
      await unlucky.record(event)
      await unlucky.record(event)
      await unlucky.record(from(1))
    } finally {
      await store.pool.query('alter table away rename to audit_events')
    }
    expect(lines[0]).toMatchObject({ level: 'warn', action: 'node.join' })
    await eventually('written', async () => {
      await clock.advance(1_000)
      return (await counted()) === 3
    })
    await unlucky.close()
    expect((await rows()).map(({ count }) => count)).toEqual([2, 1])
  })
})
