import { randomUUID } from 'node:crypto'
import os from 'node:os'
import { type CheckedGrant, lifeBetween, renewForever, Urgency } from '@muster/identity'
import { chainPem, generateKey, parseIdentity, privateKeyPem, publicKeyDer } from '@muster/pki'
import type { Logger } from '@muster/runtime'
import { HeldIdentity, type ServiceIdentity } from '@muster/service-kit'
import type { IssuingDeps } from '../deps.ts'
import { recordReplica } from '../rotation/replica-rows.ts'
import { signerFor } from '../rotation/rotation-state.ts'
import { serviceDnsNames } from '../rpc/enroll-service.ts'
import { trustBundle } from '../rpc/trust-bundle.ts'
import { issueServiceCertificate } from './service-certificate.ts'

/** The identity of ca-service, which confirms its own part in a rotation. */
export interface OwnIdentity extends ServiceIdentity {
  /** Records what this replica trusts and presents, and that it is alive. */
  confirm(): Promise<void>
}

/**
 * Gives ca-service its identity: it signs its own certificate, which is recorded like any other, and renews it until the
 * signal aborts. It follows each move of a rotation at once.
 */
export async function issueOwnIdentity(deps: IssuingDeps, log: Logger, signal: AbortSignal): Promise<OwnIdentity> {
  const { config, pool, clock, authorities } = deps
  const clusterName = config.MUSTER_CLUSTER_NAME
  const replicaId = randomUUID()
  const privateKey = generateKey()
  const issue = async (action: 'service.enroll' | 'service.renew'): Promise<CheckedGrant> => {
    const granted = await issueServiceCertificate(deps, {
      action,
      actor: 'ca-service',
      name: 'ca-service',
      roles: ['auth'],
      dnsNames: serviceDnsNames('ca-service', clusterName, config.MUSTER_TLS_DNS_NAMES),
      publicKeyDer: publicKeyDer(privateKey),
    })
    const { chainDer, authorityNumber = 1 } = granted.certificate
    return {
      trustBundle: granted.trustBundle,
      chainPem: chainPem(chainDer),
      bundlePem: chainPem(granted.trustBundle.hostRootsDer),
      life: lifeBetween(parseIdentity(chainDer[0]!)),
      authorityNumber,
    }
  }
  const first = await issue('service.enroll')
  const held = new HeldIdentity(privateKeyPem(privateKey), first)
  const urgency = new Urgency()
  const renew = async () => {
    const next = await issue('service.renew')
    held.renewed(next)
    return next.life
  }
  const follow = () => {
    held.trust(trustBundle(authorities.current, clusterName))
    if (signerFor(authorities.current.host, 'service').number !== held.authorityNumber) urgency.raise()
  }
  signal.addEventListener('abort', authorities.onChange(follow), { once: true })
  void renewForever({ first: first.life, renew, urgency, clock, log, signal })
  const confirm = () =>
    recordReplica(pool, {
      id: replicaId,
      service: 'ca-service',
      hostname: os.hostname(),
      trustVersion: held.trustBundle.version,
      authorityNumber: held.authorityNumber,
    })
  // The regular confirmation repeats it if it fails.
  held.tls.onUpdate(() => void confirm().catch(() => {}))
  return { tls: held.tls, clusterName, trustBundle: () => held.trustBundle, signers: () => undefined, confirm }
}
