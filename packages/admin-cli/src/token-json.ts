import type { token } from '@muster/contracts'

/** A token as JSON and YAML show it, without its secret. Documented in docs/cli-output.md. */
export function tokenJson(made: token.Token) {
  return {
    id: made.id,
    roles: made.roles,
    labels: made.labels,
    description: made.description,
    bot_name: made.botName === '' ? null : made.botName,
    max_uses: made.maxUses ?? null,
    uses: made.uses,
    created_by: made.createdBy,
    created_at: made.createdAt ?? null,
    expires_at: made.expiresAt ?? null,
  }
}
