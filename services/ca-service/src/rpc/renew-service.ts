import { findService } from '@muster/domain'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { ca } from '@muster/contracts'
import type { Deps } from '../deps.ts'
import { serviceDnsNames } from './enroll-service.ts'
import { issueServiceCertificate } from '../issuing/service-certificate.ts'

/** Issues the calling service a new certificate for the key of its connection. Safe to repeat. */
export function renewService(deps: Deps): UnaryHandler<ca.RenewServiceRequest, ca.RenewServiceResponse> {
  const clusterName = deps.config.MUSTER_CLUSTER_NAME
  return async (request, { peer, remoteAddress }) => {
    const { spiffeId, roles, publicKeyDer, ...member } = memberOf(peer)
    const name = findService(member.name)!
    return issueServiceCertificate(deps, {
      action: 'service.renew',
      actor: spiffeId,
      remoteAddress,
      name,
      roles,
      dnsNames: serviceDnsNames(name, clusterName, request.dnsNames),
      publicKeyDer,
    })
  }
}
