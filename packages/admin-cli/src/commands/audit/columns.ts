import { utcTime, paint, tableOf, type Column, type Table, type TableStyle } from '@muster/cli-kit/print'
import type { audit } from '@muster/contracts'
import { parseSpiffeId } from '@muster/domain'
import { detailsOf, outcomeOf } from './json.ts'

/** The columns of a table of audit events. */
export const AUDIT_COLUMNS: readonly Column<audit.AuditEvent>[] = [
  { title: 'Time', text: ({ at }) => (at === undefined ? '' : utcTime(at)) },
  {
    title: 'Outcome',
    text: outcomeOf,
    paint: (cell, event) => (outcomeOf(event) === 'ok' ? paint.green(cell) : paint.red(cell)),
  },
  { title: 'Action', text: ({ action }) => action },
  { title: 'Actor', text: shortActor, rank: 1, narrow: 'under' },
  { title: 'Address', text: ({ remoteAddress }) => remoteAddress, rank: 3, narrow: 'under' },
  { title: 'Token', text: ({ tokenId }) => tokenId, rank: 5, narrow: 'under' },
  { title: 'Node', text: ({ nodeId }) => nodeId, rank: 6, narrow: 'under' },
  { title: 'Reason', text: reasonText, rank: 2, narrow: 'under' },
  { title: 'Count', text: ({ count }) => (count === 1 ? '' : `${count}`), rank: 4, narrow: 'under' },
  { title: 'Details', text: detailsText, rank: 7, narrow: 'under' },
]

const NODE_ID_START = 8

/** `user/ada` of `spiffe://muster.internal/user/ada`, `node/6805dda3` of a node; anything else unchanged. */
function shortActor({ actor }: audit.AuditEvent): string {
  const id = parseSpiffeId(actor)
  if (id === undefined) return actor
  return `${id.kind}/${id.kind === 'node' ? id.name.slice(0, NODE_ID_START) : id.name}`
}

/** `TOKEN_RESTRICTED (allow-cidr)`. The caller saw only the first half. */
function reasonText(event: audit.AuditEvent): string {
  const { restriction } = detailsOf(event)
  return typeof restriction === 'string' ? `${event.reason} (${restriction})` : event.reason
}

function detailsText(event: audit.AuditEvent): string {
  return Object.entries(detailsOf(event))
    .filter(([key]) => key !== 'restriction')
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ')
}

/** An event that is as wide as most. */
const USUAL: audit.AuditEvent = {
  service: '',
  id: '',
  at: new Date(0),
  action: 'service.enroll',
  actor: 'a-name-of-20-letters',
  remoteAddress: '192.168.100.100',
  outcome: 2,
  reason: 'TOKEN_RESTRICTED',
  tokenId: 'abcdefghij',
  nodeId: '00000000-0000-0000-0000-000000000000',
  detailsJson: '{}',
  count: 1,
  lastAt: undefined,
}

/** A table for events that have not happened yet. */
export function auditTableToCome(style: TableStyle): Table<audit.AuditEvent> {
  return tableOf(AUDIT_COLUMNS, [USUAL], style)
}
