import { audit } from '@muster/contracts'
import { decodeCursor, encodeCursor, invalid, isTimestamp, parsePageSize } from '@muster/domain'
import type { UnaryHandler } from '@muster/rpc'
import { parseFilter } from './event-filter.ts'
import { selectEvents, type ListedTo, type StoredEvent } from './events.ts'
import type { AuditDeps } from './deps.ts'

/** A page of this service's events, newest first. */
export function listEvents({ name, pool }: AuditDeps): UnaryHandler<audit.ListEventsRequest, audit.ListEventsResponse> {
  return async (request) => {
    const size = parsePageSize(request.pageSize)
    const filter = parseFilter(request.filter)
    const { events, next } = await selectEvents(pool, { filter, size, before: parseCursor(request.pageToken) })
    return {
      events: events.map((event) => toProto(name, event)),
      nextPageToken: next === undefined ? '' : encodeCursor([next.at, next.id]),
    }
  }
}

function parseCursor(token: string): ListedTo | undefined {
  const cursor = decodeCursor(token, 2)
  if (cursor === undefined) return undefined
  const [at, id] = cursor as [string, string]
  if (!isExactTime(at) || !/^\d{1,18}$/.test(id)) throw invalid('page_token', 'was not made by this service')
  return { at, id }
}

function isExactTime(text: string): boolean {
  const date = new Date(text)
  // JavaScript reads 30 February as 2 March; Postgres rejects it.
  return /\.\d{6}Z$/.test(text) && isTimestamp(date) && date.toISOString().startsWith(text.slice(0, 23))
}

/** Converts a stored event to the contract's message. */
export function toProto(service: string, event: StoredEvent): audit.AuditEvent {
  return {
    id: event.id,
    service,
    at: event.at,
    action: event.action,
    actor: event.actor,
    remoteAddress: event.remoteAddress ?? '',
    outcome: event.outcome === 'ok' ? audit.Outcome.OK : audit.Outcome.REFUSED,
    reason: event.reason ?? '',
    tokenId: event.tokenId ?? '',
    nodeId: event.nodeId ?? '',
    detailsJson: JSON.stringify(event.details),
    count: event.count,
    lastAt: event.lastAt ?? undefined,
  }
}
