import { invalid } from '@muster/domain'
import { isUnsafe } from '@muster/domain/safe-text'
import { type CallContext, memberOf } from '@muster/rpc'
import type { BanChange, NewBan } from './ban-store.ts'

const MAX_REASON_CHARACTERS = 200

/** The caller of a ban, and the member that it is about. */
export function banChange(id: string, { peer, remoteAddress }: CallContext): BanChange {
  return { id, actor: memberOf(peer).spiffeId, remoteAddress }
}

/** Checks how long a ban lasts and its reason. @throws invalidArgument */
export function parseBan(
  change: BanChange,
  { durationSeconds, reason }: { durationSeconds: number; reason: string },
): NewBan {
  if (isUnsafe(reason)) throw invalid('reason', 'must be printable text on one line')
  if (reason.length > MAX_REASON_CHARACTERS) {
    throw invalid('reason', `must be at most ${MAX_REASON_CHARACTERS} characters`)
  }
  return { ...change, durationSeconds, reason }
}
