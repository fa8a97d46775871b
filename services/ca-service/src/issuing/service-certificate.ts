import { recordAudit } from '@muster/audit'
import type { ca } from '@muster/contracts'
import type { ServiceName } from '@muster/domain'
import { transaction } from '@muster/postgres'
import type { Deps } from '../deps.ts'
import { issueCertificate } from './issue-certificate.ts'

/** A certificate for a service, with facts for the audit. */
export interface ServiceCertificateRequest {
  action: 'service.enroll' | 'service.renew'
  /** SPIFFE id of the caller, or another name for the audit. */
  actor: string
  /** Absent if the service issues to itself. */
  remoteAddress?: string
  name: ServiceName
  roles: readonly string[]
  dnsNames: readonly string[]
  /** SubjectPublicKeyInfo, DER; checked by the caller. */
  publicKeyDer: Buffer
}

/** Issues a service's certificate, with its audit event in the same transaction. Each call issues a new certificate. */
export function issueServiceCertificate(
  { config, pool, clock, authorities }: Deps,
  { action, actor, remoteAddress, ...request }: ServiceCertificateRequest,
): Promise<ca.IssuedCertificate> {
  return transaction(pool, async (db) => {
    const certificate = await issueCertificate(
      { db, authorities: authorities(), clock, clusterName: config.MUSTER_CLUSTER_NAME },
      {
        ...request,
        kind: 'service',
        ttlSeconds: config.MUSTER_SERVICE_CERTIFICATE_TTL_SECONDS,
        requestedBy: actor,
      },
    )
    const details = { service: request.name, serial: certificate.serial }
    await recordAudit(db, { action, actor, remoteAddress, outcome: 'ok', details })
    return certificate
  })
}
