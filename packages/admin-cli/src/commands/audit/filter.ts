import { UsageError } from '@muster/cli-kit'
import { audit } from '@muster/contracts'
import { parseDuration } from '@muster/domain'
import type { Cluster } from '../../cluster/cluster.ts'
import { findNodeId, parseNodeReference } from '../nodes/node-argument.ts'
import { idOrName, resolveTokenId } from '../tokens/token-argument.ts'

const text = { type: 'string' } as const

/** The flags that filter audit events. */
export const AUDIT_FILTERS = {
  type: { ...text, describe: 'Events of this action, such as token.create, or of this kind, such as token' },
  actor: { ...text, describe: 'Events by this person, node or service: a name or a whole SPIFFE id; or anonymous' },
  token: { ...text, names: 'token', describe: 'Events about this token: its id or name' },
  node: {
    ...text,
    names: 'node',
    describe: 'Events about this node: its id, at least 8 characters of one, or its host name',
  },
  outcome: { ...text, choices: ['ok', 'refused'], describe: 'Events with this outcome' },
} as const

/** The flags that filter audit events, as typed. */
export interface AuditFlags {
  type?: string | undefined
  actor?: string | undefined
  token?: string | undefined
  node?: string | undefined
  outcome?: string | undefined
}

const OUTCOMES: Record<string, audit.Outcome> = { ok: audit.Outcome.OK, refused: audit.Outcome.REFUSED }

/**
 * Reads the flags before the cluster is called. The function that it returns asks the cluster for the ids of a token and a
 * node that are given by name.
 * @throws UsageError
 */
export function auditFilter(
  flags: AuditFlags,
  since?: Date,
): (cluster: Pick<Cluster, 'tokens' | 'registration'>) => Promise<audit.EventFilter> {
  const { type = '', actor = '', outcome = '', token, node } = flags
  const tokenGiven = token === undefined ? undefined : idOrName(token)
  const nodeGiven = node === undefined ? undefined : parseNodeReference(node)
  const filter: audit.EventFilter = {
    since,
    action: word(type, '--type'),
    actor: word(actor, '--actor'),
    tokenId: '',
    nodeId: '',
    outcome: OUTCOMES[outcome] ?? audit.Outcome.UNSPECIFIED,
  }
  return async (cluster) => ({
    ...filter,
    tokenId: tokenGiven === undefined ? '' : await resolveTokenId(tokenGiven, cluster),
    nodeId: nodeGiven === undefined ? '' : await findNodeId(nodeGiven, cluster),
  })
}

function word(value: string, flag: string): string {
  if (!/^[\x20-\x7e]{0,512}$/.test(value)) throw new UsageError(`${flag}: must be printable ASCII`)
  return value
}

/** Reads how long ago (1h, 2d), or an ISO 8601 date or time, in UTC unless it has a zone. @throws UsageError */
export function parseSince(value: string | undefined, now: Date): Date | undefined {
  if (value === undefined) return undefined
  const iso = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:?\d\d)?)?$/i.exec(value.trim())
  if (iso !== null) {
    const [, day, time = '00:00', zone = 'Z'] = iso
    const date = new Date(`${day}T${time}${zone.toUpperCase()}`)
    if (!Number.isNaN(date.getTime())) return date
  }
  try {
    return new Date(now.getTime() - parseDuration(value, '--since') * 1000)
  } catch {
    throw new UsageError('--since: must be how long ago, such as 1h or 2d, or a time such as 2026-11-22T18:00:00Z')
  }
}
