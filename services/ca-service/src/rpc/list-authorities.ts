import { spkiPin } from '@muster/pki'
import type { UnaryHandler } from '@muster/rpc'
import type { ca } from '@muster/contracts'
import { VERSION } from '@muster/runtime'
import type { Deps } from '../deps.ts'
import { trustedAuthorities } from '../rotation/rotation-state.ts'

/** The authorities, for operators. */
export function listAuthorities({
  config,
  authorities,
}: Deps): UnaryHandler<ca.ListAuthoritiesRequest, ca.ListAuthoritiesResponse> {
  return async () => {
    const { host, user } = authorities.current
    return {
      clusterName: config.MUSTER_CLUSTER_NAME,
      version: VERSION,
      authorities: [host, user].flatMap((set) =>
        trustedAuthorities(set).map((authority) => ({
          type: authority.type,
          pin: spkiPin(authority.rootDer),
          createdAt: authority.createdAt,
          rootExpiresAt: authority.rootNotAfter,
          issuingExpiresAt: authority.issuing.expiresAt,
          rotatedAt: set.rotation.rotatedAt ?? undefined,
        })),
      ),
    }
  }
}
