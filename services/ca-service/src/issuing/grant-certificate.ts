import type { ca } from '@muster/contracts'
import type { IssuingDeps } from '../deps.ts'
import { trustBundle } from '../rpc/trust-bundle.ts'
import { type CertificateRequest, issueCertificate } from './issue-certificate.ts'

/** A certificate, and the trust bundle at the time of its signature. */
export interface Granted {
  certificate: ca.IssuedCertificate
  trustBundle: ca.TrustBundle
}

/** Issues a certificate by the authorities as they are now. Each call issues a new certificate. */
export function grantCertificate(
  { config, pool, clock, authorities }: IssuingDeps,
  request: CertificateRequest,
): Promise<Granted> {
  const clusterName = config.MUSTER_CLUSTER_NAME
  return authorities.use(async (current) => {
    const certificate = await issueCertificate({ db: pool, authorities: current, clock, clusterName }, request)
    return { certificate, trustBundle: trustBundle(current, clusterName) }
  })
}
