import type { token } from '@muster/contracts'

const TYPES = ['unknown', 'join', 'signup', 'static'] as const
const STATES = ['unknown', 'live', 'expired', 'used_up', 'revoked'] as const
/** A token's state as a word. */
export type TokenState = (typeof STATES)[number]

/** A token's type as a word. A state that this version does not know is `unknown`. */
export function tokenTypeOf({ type }: token.Token): (typeof TYPES)[number] {
  return TYPES[type] ?? 'unknown'
}

/** A token's state as a word. */
export function tokenStateOf({ state }: token.Token): TokenState {
  return STATES[state] ?? 'unknown'
}

/** How many more it admits; undefined without a limit. Only a live token admits anyone. */
export function usesLeft({ maxUses, uses }: token.Token): number | undefined {
  return maxUses === undefined ? undefined : Math.max(0, maxUses - uses)
}

/** A token as JSON and YAML show it, without its secret. Documented in docs/cli-output.md. */
export function tokenJson(made: token.Token) {
  return {
    id: made.id,
    type: tokenTypeOf(made),
    state: tokenStateOf(made),
    name: orNull(made.name),
    roles: made.roles,
    labels: made.labels,
    description: made.description,
    bot_name: orNull(made.botName),
    user_name: orNull(made.userName),
    max_uses: made.maxUses ?? null,
    uses: made.uses,
    uses_left: usesLeft(made) ?? null,
    allow_cidrs: made.restrictions?.allowCidrs ?? [],
    allow_hostnames: made.restrictions?.allowHostnames ?? [],
    node_labels: made.nodeLabels,
    created_by: made.createdBy,
    created_at: made.createdAt ?? null,
    expires_at: made.expiresAt ?? null,
    revoked_at: made.revokedAt ?? null,
  }
}

function orNull(text: string): string | null {
  return text === '' ? null : text
}
