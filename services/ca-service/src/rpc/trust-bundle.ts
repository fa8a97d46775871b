import type { ca } from '@muster/contracts'
import type { Authorities } from '../authorities/authorities.ts'
import { trustedAuthorities } from '../rotation/rotation-state.ts'

/** The roots that members must trust: during a rotation, of both authorities. */
export function trustBundle({ host, user }: Authorities, clusterName: string): ca.TrustBundle {
  return {
    version: host.rotation.trustVersion + user.rotation.trustVersion,
    clusterName,
    hostRootsDer: trustedAuthorities(host).map(({ rootDer }) => rootDer),
    userRootsDer: trustedAuthorities(user).map(({ rootDer }) => rootDer),
    ...(host.vouchers.length > 0 && { hostRootVouchers: { vouchers: host.vouchers } }),
  }
}
