import { recordAudit } from '@muster/audit'
import type { ServiceName } from '@muster/domain'
import { transaction } from '@muster/postgres'
import type { IssuingDeps } from '../deps.ts'
import type { Granted } from './grant-certificate.ts'
import { issueCertificate } from './issue-certificate.ts'
import { trustBundle } from '../rpc/trust-bundle.ts'

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

/**
 * Issues a service's certificate, with its audit event in the same transaction, and the trust bundle that goes with it. Each
 * call issues a new certificate.
 */
export function issueServiceCertificate(
  { config, pool, clock, authorities }: IssuingDeps,
  { action, actor, remoteAddress, ...request }: ServiceCertificateRequest,
): Promise<Granted> {
  const clusterName = config.MUSTER_CLUSTER_NAME
  const ttlSeconds = config.MUSTER_SERVICE_CERTIFICATE_TTL_SECONDS
  return authorities.use((current) =>
    transaction(pool, async (db) => {
      const certificate = await issueCertificate(
        { db, authorities: current, clock, clusterName },
        { ...request, kind: 'service', ttlSeconds, requestedBy: actor },
      )
      const details = { service: request.name, serial: certificate.serial }
      await recordAudit(db, { action, actor, remoteAddress, outcome: 'ok', details })
      return { certificate, trustBundle: trustBundle(current, clusterName) }
    }),
  )
}
