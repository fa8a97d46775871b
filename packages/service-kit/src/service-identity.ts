import { ca } from '@muster/contracts'
import { AppError, isTransient, type ServiceName } from '@muster/domain'
import { chainPem, createCsr, generateKey, privateKeyPem } from '@muster/pki'
import { type Clock, type Logger, retry } from '@muster/runtime'
import { connect, fetchPinnedRoot, isTrustFailure, TlsIdentity } from '@muster/rpc'
import { type Renewed, renewForever } from '@muster/identity'

export interface EnrollOptions {
  name: ServiceName
  caAddresses: readonly string[]
  /** Pins of the host root. */
  caPins: readonly string[]
  /** The static token of role auth. */
  enrollToken: string
  dnsNames: readonly string[]
  clock: Clock
  log: Logger
  signal: AbortSignal
}

export interface ServiceIdentity {
  tls: TlsIdentity
  clusterName: string
  /** The trust bundle as of the last enrolment or renewal. */
  trustBundle(): ca.TrustBundle
}

type Grant = Pick<ca.EnrollServiceResponse, 'certificate' | 'trustBundle'>

/**
 * Gets this service its identity from ca-service and keeps it fresh until the signal aborts: checks the pin before the
 * token is sent, tries for as long as ca-service is not reachable, renews at a random 50-80 % of life over mTLS, and
 * enrols anew if it slept through the end of its certificate. The key lives in memory only.
 * @throws AppError if ca-service refuses, or is not the one that the pin names
 */
export async function enrollService(options: EnrollOptions): Promise<ServiceIdentity> {
  const { name, clock, log, signal } = options
  const privateKey = generateKey()
  const keyPem = privateKeyPem(privateKey)
  const csrDer = createCsr({ privateKey, commonName: name })

  let tries = 0
  const enroll = async (): Promise<Grant> => {
    const address = options.caAddresses[tries++ % options.caAddresses.length]!
    const hostRootsPem = await fetchPinnedRoot({ address, pins: options.caPins, signal })
    const anonymous = new TlsIdentity({ hostRootsPem, userRootsPem: '' })
    const connection = connect({ addresses: options.caAddresses, identity: anonymous, service: 'ca-service' })
    try {
      const request = { token: options.enrollToken, csrDer, serviceName: name, dnsNames: [...options.dnsNames] }
      return await connection.client(ca.CaServiceService).enrollService(request, { signal })
    } finally {
      connection.close()
    }
  }
  const isWorthRetrying = (error: unknown) => isTransient(error) && !isTrustFailure(error)
  const first = await retry(enroll, {
    clock,
    signal,
    isTransient: isWorthRetrying,
    maxDelayMs: 2_000,
    onRetry: (error) => log.warn({ err: error }, 'ca-service is not reachable yet; trying again'),
  })

  let grant = checked(first)
  const tls = new TlsIdentity(materialOf(keyPem, grant))
  const connection = connect({ addresses: options.caAddresses, identity: tls, service: 'ca-service' })
  signal.addEventListener('abort', () => connection.close(), { once: true })
  const renew = async (expired: boolean): Promise<Renewed> => {
    const request = { dnsNames: [...options.dnsNames] }
    const client = connection.client(ca.CaServiceService)
    grant = checked(expired ? await enroll() : await client.renewService(request, { signal }))
    tls.update(materialOf(keyPem, grant))
    return renewedOf(grant, clock)
  }
  void renewForever({ first: renewedOf(grant, clock), renew, clock, log, signal })
  return { tls, clusterName: grant.trustBundle.clusterName, trustBundle: () => grant.trustBundle }
}

type CheckedGrant = { certificate: ca.IssuedCertificate & { expiresAt: Date }; trustBundle: ca.TrustBundle }

function checked({ certificate, trustBundle }: Grant): CheckedGrant {
  const { expiresAt } = certificate ?? {}
  if (certificate === undefined || expiresAt === undefined || trustBundle === undefined) {
    throw new AppError('internal', 'ca-service answered without a certificate')
  }
  return { certificate: { ...certificate, expiresAt }, trustBundle }
}

function materialOf(keyPem: string, { certificate, trustBundle }: CheckedGrant) {
  return {
    own: { keyPem, chainPem: chainPem(certificate.chainDer) },
    hostRootsPem: chainPem(trustBundle.hostRootsDer),
    userRootsPem: chainPem(trustBundle.userRootsDer),
  }
}

function renewedOf({ certificate }: CheckedGrant, clock: Clock): Renewed {
  return { issuedAt: clock.now(), expiresAt: certificate.expiresAt }
}
