import { ca } from '@muster/contracts'
import { AppError, type ServiceName } from '@muster/domain'
import { createCsr, generateKey, privateKeyPem } from '@muster/pki'
import { type Clock, type Logger, retry } from '@muster/runtime'
import { connect, fetchPinnedRoot, isTrustFailure, TlsIdentity } from '@muster/rpc'
import {
  type CertificateLife,
  type CheckedGrant,
  type Grant,
  mayPass,
  parseGrant,
  renewForever,
  Urgency,
} from '@muster/identity'
import { followTrust } from './trust/follow-trust.ts'
import { HeldIdentity } from './trust/held-identity.ts'

/** How a service enrols with ca-service. */
export interface EnrollOptions {
  name: ServiceName
  caAddresses: readonly string[]
  /** Pins of the host root. */
  caPins: readonly string[]
  /** The secret that this service shares with ca-service. */
  enrollToken: string
  dnsNames: readonly string[]
  /** How often it confirms what it trusts; 5 s by default. */
  confirmEveryMs?: number
  /** The longest time for one attempt to connect, in milliseconds; 10 s by default. */
  attemptLimitMs?: number
  clock: Clock
  log: Logger
  signal: AbortSignal
}

/** The identity of a service. */
export interface ServiceIdentity {
  tls: TlsIdentity
  clusterName: string
  /** The trust bundle as this service knows it now. It follows a rotation within about a second. */
  trustBundle(): ca.TrustBundle
  /** Which authorities sign now; undefined until ca-service has told, and for ca-service itself. */
  signers(): ca.Signers | undefined
}

/**
 * Gets a service its identity from ca-service and keeps it fresh until the signal aborts. Checks the pin before it sends
 * the token, and retries for as long as ca-service cannot be reached. Renews over mTLS at a random 50-80 % of the
 * certificate's life; enrols again if the certificate has expired. The key lives in memory only.
 * @throws AppError if ca-service refuses, or if no pin matches its root
 */
export async function enrollService(options: EnrollOptions): Promise<ServiceIdentity> {
  const { name, clock, log, signal, attemptLimitMs } = options
  const toCaService = {
    addresses: options.caAddresses,
    service: 'ca-service',
    ...(attemptLimitMs && { attemptLimitMs }),
  } as const
  const privateKey = generateKey()
  const keyPem = privateKeyPem(privateKey)
  const csrDer = createCsr({ privateKey, commonName: name })

  let tries = 0
  const check = (grant: Grant, trustedRootsPem: string) =>
    parseGrant(grant, { from: 'ca-service', keyPem, kind: 'service', name, trustedRootsPem })
  const enroll = async (): Promise<CheckedGrant> => {
    const address = options.caAddresses[tries++ % options.caAddresses.length]!
    const hostRootsPem = await fetchPinnedRoot({
      address,
      pins: options.caPins,
      service: 'ca-service',
      limitMs: attemptLimitMs,
      signal,
    })
    const anonymous = new TlsIdentity({ hostRootsPem, userRootsPem: '' })
    const connection = connect({ ...toCaService, identity: anonymous })
    try {
      const request = { token: options.enrollToken, csrDer, serviceName: name, dnsNames: [...options.dnsNames] }
      return check(await connection.client(ca.CaServiceService).enrollService(request, { signal }), hostRootsPem)
    } finally {
      connection.close()
    }
  }
  const first = await retry(enroll, {
    clock,
    signal,
    isTransient: (error) => mayPass(error) && !isTrustFailure(error),
    maxDelayMs: 2_000,
    onRetry: (error) => log.warn({ err: error }, 'ca-service is not reachable yet; trying again'),
  })

  const held = new HeldIdentity(keyPem, first)
  const { tls } = held
  const connection = connect({ ...toCaService, identity: tls })
  signal.addEventListener('abort', () => connection.close(), { once: true })
  const renewOnce = async (): Promise<CheckedGrant> => {
    const request = { dnsNames: [...options.dnsNames] }
    return check(
      await connection.client(ca.CaServiceService).renewService(request, { signal }),
      tls.current.hostRootsPem,
    )
  }
  // By the clock of ca-service the certificate is not valid now.
  const enrollIfStranger = (error: unknown): Promise<CheckedGrant> => {
    if (error instanceof AppError && error.kind === 'unauthenticated') return enroll()
    throw error
  }
  const renew = async (expired: boolean): Promise<CertificateLife> => {
    const grant = expired ? await enroll() : await renewOnce().catch(enrollIfStranger)
    held.renewed(grant)
    return grant.life
  }
  const urgency = new Urgency()
  void renewForever({ first: first.life, renew, urgency, clock, log, signal })
  const { confirmEveryMs } = options
  void followTrust({ held, connection, urgency, ...(confirmEveryMs && { confirmEveryMs }), clock, log, signal })
  const { clusterName } = first.trustBundle
  return { tls, clusterName, trustBundle: () => held.trustBundle, signers: () => held.signers }
}
