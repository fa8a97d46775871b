import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { audit } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { eventually } from '@muster/testkit'
import { parseFilter } from './event-filter.ts'
import { currentPosition, selectCommitted, type Position } from './events.ts'
import { recordAudit } from './record.ts'
import { Refusals } from './refusals.ts'
import { filterBy, serveAudit, silentLog, type Served } from '../test/support/audit.ts'

let served: Served
let stops: AbortController[] = []

beforeAll(async () => {
  served = await serveAudit()
})
beforeEach(async () => {
  await served.pool.query('truncate audit_events')
})
afterEach(() => {
  stops.forEach((stop) => stop.abort())
  stops = []
})
afterAll(async () => {
  await served.close()
})

interface Watch {
  /** As `action` or `action×count`. */
  seen: string[]
  positions: string[]
  stop(): void
  failure?: unknown
}

/** Follows; resolves once the service says where it begins. */
async function watch(request: Partial<audit.WatchEventsRequest> = {}): Promise<Watch> {
  const stop = new AbortController()
  stops.push(stop)
  const watched: Watch = { seen: [], positions: [], stop: () => stop.abort() }
  void (async () => {
    for await (const { message } of served.watch(request, stop.signal)) {
      if (message?.$case === 'position') watched.positions.push(message.value)
      if (message?.$case === 'event') watched.seen.push(inWords(message.value))
    }
  })().catch((error: unknown) => (watched.failure = error))
  await eventually('followed', () => watched.positions.length > 0 || watched.failure !== undefined)
  return watched
}

function inWords({ action, count }: audit.AuditEvent): string {
  return count === 1 ? action : `${action}×${count}`
}

function add(action: string, db: Parameters<typeof recordAudit>[0] = served.pool): Promise<void> {
  return recordAudit(db, { action, actor: 'anonymous', outcome: 'ok' })
}

describe('followers of the audit', () => {
  test('a follower of the audit receives the events from the call on, in order', async () => {
    await add('before')
    const watched = await watch()
    for (const action of ['a', 'b', 'c']) await add(action)
    await eventually('told', () => watched.seen.length >= 3)
    expect(watched.seen).toEqual(['a', 'b', 'c'])
  })

  test('a follower of the audit misses no event whose transaction began first and is committed last', async () => {
    const watched = await watch()
    const slow = await served.openPool(1).connect()
    try {
      await slow.query('begin')
      await add('late', slow)
      await add('early')
      await eventually('told of the one committed', () => watched.seen.length === 1)
      await slow.query('commit')
      await eventually('told of the late one', () => watched.seen.length === 2)
      await add('last')
      await eventually('told of the last', () => watched.seen.length === 3)
    } finally {
      slow.release(true)
    }
    expect(watched.seen).toEqual(['early', 'late', 'last'])
  })

  test('a follower of the audit misses no event and gets none twice while 64 callers write on two pools, some slowly', async () => {
    const watched = await watch()
    const pools = [served.openPool(), served.openPool()]
    const actions = Array.from({ length: 64 }, (_, i) => `event-${i}`)
    await Promise.all(
      actions.map(async (action, i) => {
        const client = await pools[i % 2]!.connect()
        try {
          await client.query('begin')
          await add(action, client)
          await client.query('select pg_sleep($1)', [(i % 7) / 50])
          await client.query('commit')
        } finally {
          client.release()
        }
      }),
    )
    await add('end')
    await eventually('told of the end', () => watched.seen.includes('end'))
    expect(watched.seen.slice(0, -1).sort()).toEqual([...actions].sort())
  })

  test('a follower of the audit receives an event again when its count has grown', async () => {
    const watched = await watch()
    const refusals = new Refusals(served.openPool(), silentLog)
    const refusal = { action: 'node.join', actor: 'anonymous', reason: 'TOKEN_UNKNOWN' }
    await refusals.record(refusal)
    await eventually('told of the first', () => watched.seen.length === 1)
    await refusals.record(refusal)
    await refusals.record(refusal)
    await refusals.close()
    await eventually('told of the others', () => watched.seen.length === 2)
    expect(watched.seen).toEqual(['node.join', 'node.join×3'])
  })

  test('a follower of the audit receives only the events that match the filter', async () => {
    const watched = await watch({ filter: filterBy({ action: 'token' }) })
    for (const action of ['node.join', 'token.create']) await add(action)
    await eventually('told', () => watched.seen.length === 1)
    expect(watched.seen).toEqual(['token.create'])
  })

  test('a follower of the audit receives more events than fit in one page', async () => {
    const watched = await watch()
    await served.pool.query(
      `insert into audit_events (action, actor, outcome, details)
       select n::text, 'a', 'ok', '{}' from generate_series(1, 1200) as n`,
    )
    await eventually('told', () => watched.seen.length >= 1_200)
    expect(watched.seen).toEqual(Array.from({ length: 1_200 }, (_, i) => `${i + 1}`))
  })
})

describe('followers that were cut off', () => {
  test('a follower that sends its last position receives the events since then, and none from before', async () => {
    const first = await watch()
    await add('seen')
    await eventually('told, with a position', () => first.seen.length === 1 && first.positions.length === 2)
    first.stop()
    await add('meanwhile')
    const second = await watch({ afterPosition: first.positions.at(-1)! })
    await add('later')
    await eventually('told', () => second.seen.length >= 2)
    expect(second.seen).toEqual(['meanwhile', 'later'])
  })

  test('a follower whose position is from another database begins with the call, and is given a position of this one', async () => {
    await add('before')
    const afterPosition = '900000000000000:900000000000001:@1764000000'
    const watched = await watch({ afterPosition })
    expect(watched.positions[0]).not.toBe(afterPosition)
    await add('after')
    await eventually('told', () => watched.seen.length >= 1)
    expect(watched.seen).toEqual(['after'])
  })

  test('a position that no service made is refused', async () => {
    for (const afterPosition of ['x', '5:4:@1', '1:9:7,3@1', '1:9:9@1', '0:9:@1', `1:9:${'1,'.repeat(9_000)}2@1`]) {
      const { failure } = await watch({ afterPosition })
      expect(failure).toBeInstanceOf(AppError)
      expect(failure).toMatchObject({ kind: 'invalidArgument', field: 'after_position' })
    }
  })
})

test('events committed between two positions belong to one round of a watch only', async () => {
  const filter = parseFilter(undefined)
  const from = await currentPosition(served.pool)
  const until = await currentPosition(served.pool)
  await add('after both')
  const later = await currentPosition(served.pool)
  const actionsIn = async (range: { from: Position; until: Position }) => {
    const found = await selectCommitted(served.pool, { ...range, filter, after: { tx: '0', id: '0' }, size: 10 })
    return found.map(({ action }) => action)
  }
  expect(await actionsIn({ from, until })).toEqual([])
  expect(await actionsIn({ from: until, until: later })).toEqual(['after both'])
})

test('events restored from a copy of another database are not sent again when this one reaches their transactions', async () => {
  const watched = await watch()
  await served.pool.query(
    `insert into audit_events (at, action, actor, outcome, details, tx)
     select now() - interval '1 day', 'restored', 'a', 'ok', '{}', (pg_current_xact_id()::text::bigint + n)::text::xid8
       from generate_series(1, 40) as n`,
  )
  for (let i = 0; i < 60; i++) await add('new')
  await eventually('told', () => watched.seen.length >= 60)
  expect(new Set(watched.seen)).toEqual(new Set(['new']))
})
