import type { audit } from '@muster/contracts'
import { invalid, isTimestamp, parseNodeId } from '@muster/domain'

/** Which events to return. An undefined part does not narrow the result. */
export interface Filter {
  since: Date | undefined
  /** An action such as `node.join`, or the part before its dot. */
  action: string | undefined
  /** A SPIFFE id, or its last part. */
  actor: string | undefined
  tokenId: string | undefined
  nodeId: string | undefined
  outcome: 'ok' | 'refused' | undefined
}

const OUTCOMES = [undefined, 'ok', 'refused'] as const

/** Checks a filter. @throws invalidArgument that names the field */
export function parseFilter(filter: audit.EventFilter | undefined): Filter {
  const { since, action = '', actor = '', tokenId = '', nodeId = '', outcome = 0 } = filter ?? {}
  if (since !== undefined && !isTimestamp(since)) throw invalid('since', 'must be of the years 1 to 9999')
  if (!(outcome in OUTCOMES)) throw invalid('outcome', 'must be ok or refused')
  return {
    since,
    action: word(action, 'action'),
    actor: word(actor, 'actor'),
    tokenId: word(tokenId, 'token_id'),
    nodeId: nodeId === '' ? undefined : parseNodeId(nodeId),
    outcome: OUTCOMES[outcome],
  }
}

function word(value: string, field: string): string | undefined {
  if (!/^[\x20-\x7e]{0,512}$/.test(value)) throw invalid(field, 'must be at most 512 printable ASCII characters')
  return value === '' ? undefined : value
}
