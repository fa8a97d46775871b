import type { ca } from '@muster/contracts'
import type { Authorities } from '../authorities/authorities.ts'

/** The roots that members must trust. */
export function trustBundle({ host, user }: Authorities, clusterName: string): ca.TrustBundle {
  return {
    version: Math.max(host.id, user.id),
    clusterName,
    hostRootsDer: [host.rootDer],
    userRootsDer: [user.rootDer],
  }
}
