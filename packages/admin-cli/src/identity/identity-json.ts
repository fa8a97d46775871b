import type { OperatorIdentity } from './operator-identity.ts'

/** An identity as JSON and YAML show it. Documented in docs/cli-output.md. */
export function identityJson(operator: OperatorIdentity) {
  const { name, roles, isBreakGlass, profile, dir, expiresAt, sessionExpiresAt } = operator
  return {
    name,
    roles,
    break_glass: isBreakGlass,
    cluster_name: profile.clusterName,
    auth_server: profile.publicAddress,
    certificate_expires_at: expiresAt,
    session_expires_at: sessionExpiresAt ?? null,
    folder: dir,
  }
}
