import type { ca, confirmations } from '@muster/contracts'
import { invalid } from '@muster/domain'
import type { UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { selectConfirmations, type RolledKind, selectUnconfirmed, type WantedPhase } from './confirmation-rows.ts'

const MOST_NAMED = 100
const KINDS: readonly RolledKind[] = ['node', 'bot', 'user']

/** Counts who has confirmed a phase of a rotation, and names who has not. Safe to repeat. */
export function countConfirmations(
  deps: Pick<Deps, 'pool' | 'presence' | 'pace'>,
): UnaryHandler<confirmations.CountConfirmationsRequest, confirmations.CountConfirmationsResponse> {
  return async (request) => {
    const { trustBundleVersion: trustVersion, nodeAuthority, userAuthority } = request
    const wanted = { trustVersion, nodeAuthority, userAuthority }
    const limit = Math.min(request.limit, MOST_NAMED)
    const kinds = request.kinds.map(parseKind)
    const counted = await Promise.all(
      kinds.map(async (kind) => ({ kind, ...(await selectConfirmations(deps.pool, kind, wanted)) })),
    )
    const named = await Promise.all(kinds.map((kind) => nameUnconfirmed(deps, kind, wanted, limit)))
    return { confirmations: counted, unconfirmed: named.flat() }
  }
}

async function nameUnconfirmed(
  { pool, presence, pace }: Pick<Deps, 'pool' | 'presence' | 'pace'>,
  kind: RolledKind,
  wanted: WantedPhase,
  limit: number,
): Promise<ca.UnconfirmedMember[]> {
  if (limit === 0) return []
  const members = await selectUnconfirmed(pool, kind, wanted, limit)
  const nodeIds = kind === 'node' ? members.map(({ id }) => id) : []
  const { online, silent } = await presence.view(nodeIds, pace.offlineAfterMs())
  return members.map((member) => ({
    ...member,
    lastSeenAt: online.get(member.id) ?? silent.get(member.id) ?? member.lastSeenAt ?? undefined,
    isOnline: online.has(member.id),
  }))
}

function parseKind(value: string): RolledKind {
  const kind = KINDS.find((known) => known === value)
  if (kind === undefined) throw invalid('kinds', `must be of ${KINDS.join(', ')}`)
  return kind
}
