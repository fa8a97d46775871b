import { chainPem, generateKey, privateKeyPem, publicKeyDer } from '@muster/pki'
import { TlsIdentity } from '@muster/rpc'
import type { Logger } from '@muster/runtime'
import type { ServiceIdentity } from '@muster/service-kit'
import { type CertificateLife, renewForever } from '@muster/identity'
import type { Deps } from '../deps.ts'
import { serviceDnsNames } from '../rpc/enroll-service.ts'
import { trustBundle } from '../rpc/trust-bundle.ts'
import { issueServiceCertificate } from './service-certificate.ts'

/**
 * Gives ca-service its identity: it signs its own certificate, which is recorded like any other, and renews it until the
 * signal aborts.
 */
export async function issueOwnIdentity(deps: Deps, log: Logger, signal: AbortSignal): Promise<ServiceIdentity> {
  const { config, clock } = deps
  const clusterName = config.MUSTER_CLUSTER_NAME
  const privateKey = generateKey()
  const issue = async (action: 'service.enroll' | 'service.renew') => {
    const { certificate, trustBundle: bundle } = await issueServiceCertificate(deps, {
      action,
      actor: 'ca-service',
      name: 'ca-service',
      roles: ['auth'],
      dnsNames: serviceDnsNames('ca-service', clusterName, config.MUSTER_TLS_DNS_NAMES),
      publicKeyDer: publicKeyDer(privateKey),
    })
    const material = {
      own: { keyPem: privateKeyPem(privateKey), chainPem: chainPem(certificate.chainDer) },
      hostRootsPem: chainPem(bundle.hostRootsDer),
      userRootsPem: chainPem(bundle.userRootsDer),
    }
    const life: CertificateLife = { issuedAt: clock.now(), expiresAt: certificate.expiresAt! }
    return { material, life }
  }
  const first = await issue('service.enroll')
  const tls = new TlsIdentity(first.material)
  const renew = async () => {
    const next = await issue('service.renew')
    tls.update(next.material)
    return next.life
  }
  void renewForever({ first: first.life, renew, clock, log, signal })
  return { tls, clusterName, trustBundle: () => trustBundle(deps.authorities.current, clusterName) }
}
