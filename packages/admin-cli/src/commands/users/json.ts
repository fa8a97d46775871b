import type { users } from '@muster/contracts'
import { banJson } from '../bans/ban-json.ts'

const STATE = ['unknown', 'invited', 'active', 'expired', 'locked'] as const
/** A person's state as a word. */
export type State = (typeof STATE)[number]

/** A person's state as a word. A state that this version does not know is `unknown`. */
export function userStateOf({ state }: users.User): State {
  return STATE[state] ?? 'unknown'
}

/** A person as JSON and YAML show them. Documented in docs/cli-output.md. */
export function userJson(user: users.User) {
  return {
    name: user.name,
    roles: user.roles,
    state: userStateOf(user),
    created_by: user.createdBy,
    created_at: user.createdAt ?? null,
    signed_up_at: user.signedUpAt ?? null,
    last_seen_at: user.lastSeenAt ?? null,
    session_expires_at: user.sessionExpiresAt ?? null,
    certificate_expires_at: user.certificateExpiresAt ?? null,
    lock: banJson(user.lock),
  }
}
