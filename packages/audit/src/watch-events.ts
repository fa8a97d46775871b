import type { audit } from '@muster/contracts'
import { invalid } from '@muster/domain'
import type { ServerStreamHandler } from '@muster/rpc'
import type pg from 'pg'
import { parseFilter, type Filter } from './event-filter.ts'
import { currentPosition, selectCommitted, startOfWatch, type Position, type StoredEvent } from './events.ts'
import { toProto } from './list-events.ts'
import type { AuditDeps } from './deps.ts'

const POLL_MS = 500
const PAGE = 500

/**
 * Streams this service's events from now on, or from the given position, whichever replica wrote them. Each stream queries
 * the database at its own pace, and only while its caller reads.
 */
export function watchEvents({
  name,
  pool,
  clock,
}: AuditDeps): ServerStreamHandler<audit.WatchEventsRequest, audit.WatchEventsResponse> {
  return async function* (request, { signal }) {
    const filter = parseFilter(request.filter)
    let from = await startOf(pool, request.afterPosition)
    yield position(from)
    while (!signal.aborted) {
      const until = await currentPosition(pool)
      let hasNews = false
      for await (const event of committedBetween(pool, { filter, from, until })) {
        hasNews = true
        yield { message: { $case: 'event', value: toProto(name, event) } }
      }
      if (hasNews) yield position(until)
      from = until
      // Rejects when the signal aborts: the loop ends.
      await clock.sleep(POLL_MS, signal).catch(() => {})
    }
  }
}

async function* committedBetween(
  pool: pg.Pool,
  range: { filter: Filter; from: Position; until: Position },
): AsyncGenerator<StoredEvent> {
  let after = startOfWatch(range.from)
  for (;;) {
    const page = await selectCommitted(pool, { ...range, after, size: PAGE })
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return
    after = last
  }
}

function position({ snapshot, at }: Position): audit.WatchEventsResponse {
  return { message: { $case: 'position', value: `${snapshot}@${at}` } }
}

async function startOf(pool: pg.Pool, text: string): Promise<Position> {
  if (text === '') return currentPosition(pool)
  const given = parsePosition(text)
  const now = await currentPosition(pool, given)
  return now.known ? given : now
}

const MAX_POSITION_LENGTH = 16 * 1024
const POSITION =
  /^(?<snapshot>(?<xmin>\d{1,18}):(?<xmax>\d{1,18}):(?<running>(?:\d{1,18}(?:,\d{1,18})*)?))@(?<at>\d{1,12})$/

function parsePosition(text: string): Position {
  const parts = text.length > MAX_POSITION_LENGTH ? undefined : POSITION.exec(text)?.groups
  const ids = parts === undefined ? [] : [parts['xmin']!, ...parts['running']!.split(',').filter(Boolean)].map(BigInt)
  // The rules of Postgres, which would fail otherwise: no zero, ascending, and all but the first below xmax.
  const isSound =
    parts !== undefined &&
    ids[0]! > 0n &&
    ids[0]! <= BigInt(parts['xmax']!) &&
    ids.slice(1).every((id, i) => id >= ids[i]! && id < BigInt(parts['xmax']!))
  if (!isSound) throw invalid('after_position', 'was not made by this service')
  return { snapshot: parts['snapshot']!, at: parts['at']! }
}
