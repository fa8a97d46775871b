import { SERVICE_NAMES } from '@muster/domain'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { ca } from '@muster/contracts'
import type { Deps } from './deps.ts'
import { serviceDnsNames } from './enroll-service.ts'
import { issueCertificate } from './issue-certificate.ts'
import { trustBundle } from './trust-bundle.ts'

/** Issues the calling service a new certificate for the key of its connection. Safe to repeat. */
export function renewService({
  config,
  pool,
  clock,
  authorities,
}: Deps): UnaryHandler<ca.RenewServiceRequest, ca.RenewServiceResponse> {
  return async (request, { peer }) => {
    const member = memberOf(peer)
    const name = SERVICE_NAMES.find((known) => known === member.name)!
    const current = authorities()
    const certificate = await issueCertificate(
      { db: pool, authorities: current, clock, clusterName: config.MUSTER_CLUSTER_NAME },
      {
        kind: 'service',
        name,
        roles: member.roles,
        dnsNames: serviceDnsNames(name, config.MUSTER_CLUSTER_NAME, request.dnsNames),
        publicKeyDer: member.publicKeyDer,
        ttlSeconds: config.MUSTER_SERVICE_CERTIFICATE_TTL_SECONDS,
        requestedBy: member.spiffeId,
      },
    )
    return { certificate, trustBundle: trustBundle(current, config.MUSTER_CLUSTER_NAME) }
  }
}
