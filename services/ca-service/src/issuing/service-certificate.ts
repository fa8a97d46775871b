import { recordAudit } from '@muster/audit'
import type { ca } from '@muster/contracts'
import type { ServiceName } from '@muster/domain'
import { transaction } from '@muster/postgres'
import type { Deps } from '../deps.ts'
import { issueCertificate } from './issue-certificate.ts'

/** A certificate for a service, and what the audit says of it. */
export interface ServiceCertificateRequest {
  action: 'service.enroll' | 'service.renew'
  /** SPIFFE id of whoever asked, or who else it was. */
  actor: string
  /** Absent if nobody called. */
  remoteAddress?: string
  name: ServiceName
  roles: readonly string[]
  dnsNames: readonly string[]
  /** SubjectPublicKeyInfo, DER; checked by the caller. */
  publicKeyDer: Buffer
}

/** Issues a service's certificate, with its audit event: both are on record or neither. Each call issues a new one. */
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
