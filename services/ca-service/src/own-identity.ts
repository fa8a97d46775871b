import { chainPem, generateKey, privateKeyPem, publicKeyDer } from '@muster/pki'
import { renewForever, TlsIdentity, type Renewed } from '@muster/rpc'
import type { Logger } from '@muster/runtime'
import type { Deps } from './deps.ts'
import { serviceDnsNames } from './enroll-service.ts'
import { issueCertificate } from './issue-certificate.ts'

/** ca-service's identity: it signs its own certificate, recorded like any other, and renews it until the signal aborts. */
export async function issueOwnIdentity(deps: Deps, log: Logger, signal: AbortSignal): Promise<TlsIdentity> {
  const { config, pool, clock } = deps
  const privateKey = generateKey()
  const issue = async () => {
    const authorities = deps.authorities()
    const certificate = await issueCertificate(
      { db: pool, authorities, clock, clusterName: config.MUSTER_CLUSTER_NAME },
      {
        kind: 'service',
        name: 'ca-service',
        roles: ['auth'],
        dnsNames: serviceDnsNames('ca-service', config.MUSTER_CLUSTER_NAME, config.MUSTER_TLS_DNS_NAMES),
        publicKeyDer: publicKeyDer(privateKey),
        ttlSeconds: config.MUSTER_SERVICE_CERTIFICATE_TTL_SECONDS,
        requestedBy: 'ca-service',
      },
    )
    const material = {
      own: { keyPem: privateKeyPem(privateKey), chainPem: chainPem(certificate.chainDer) },
      hostRootsPem: chainPem([authorities.host.rootDer]),
      userRootsPem: chainPem([authorities.user.rootDer]),
    }
    const life: Renewed = { issuedAt: clock.now(), expiresAt: certificate.expiresAt! }
    return { material, life }
  }
  const first = await issue()
  const identity = new TlsIdentity(first.material)
  const renew = async () => {
    const next = await issue()
    identity.update(next.material)
    return next.life
  }
  void renewForever({ first: first.life, renew, clock, log, signal })
  return identity
}
