import type { Io } from '@muster/cli-kit'
import { users } from '@muster/contracts'
import { AppError, clocksDiffer, messageOf } from '@muster/domain'
import { createCsr, dersFromPem, privateKeyFromPem } from '@muster/pki'
import { connect, isTrustFailure, type ProxyFor, TlsIdentity } from '@muster/rpc'
import { CallError, howToRenew } from '../cli/errors.ts'
import { renewedBy, type OperatorGrant } from './grant.ts'
import { needsReplacement, type OperatorIdentity } from './operator-identity.ts'
import { safeText } from '@muster/domain/safe-text'
import { isRefused, writeIdentity } from '@muster/identity'

/** What the replacement of an expired certificate needs besides the identity. */
export interface ReplacementOptions {
  now: () => Date
  signal: AbortSignal
  /** The proxy for an address, if there is one. */
  proxyFor: ProxyFor
}

/** A certificate with less time left than this may expire before the first call of a command. */
const MARGIN_MS = 5_000

/**
 * Returns the identity with a valid certificate. If the certificate has expired and the session has not, it requests and
 * stores a new one first. Several programs may do this at once, as with a renewal. @throws CliError that says why not
 */
export async function withValidCertificate(
  operator: OperatorIdentity,
  { io, ...options }: ReplacementOptions & { io: Pick<Io, 'stderr'> },
): Promise<OperatorIdentity> {
  if (!needsReplacement(operator, options.now(), MARGIN_MS)) return operator
  const grant = await requestReplacement(operator, options).catch((error: unknown) => {
    throw explainNoReplacement(error, operator)
  })
  const returned = renewedBy(grant, operator)
  const now = options.now()
  if (needsReplacement(returned, now)) {
    io.stderr.write(`musterctl: warning: ${clocksDiffer(now, returned.issuedAt)}\n`)
  }
  await writeIdentity(returned.realDir, returned).catch((error: unknown) => {
    const line = `the new certificate could not be stored: ${messageOf(error)}`
    io.stderr.write(`musterctl: warning: ${safeText(line)}\n`)
  })
  return returned
}

/**
 * Requests a certificate with the key and the expired certificate, over a connection that presents no certificate and
 * trusts only the roots of the identity. Safe to repeat. @throws AppError
 */
export async function requestReplacement(
  operator: OperatorIdentity,
  { signal, proxyFor }: Omit<ReplacementOptions, 'now'>,
): Promise<OperatorGrant> {
  const { keyPem, chainPem, bundlePem, name, profile } = operator
  const connection = connect({
    addresses: [profile.addresses.registration],
    identity: new TlsIdentity({ hostRootsPem: bundlePem, userRootsPem: '' }),
    service: 'registration-service',
    clusterName: profile.clusterName,
    proxyFor,
  })
  try {
    const csrDer = createCsr({ privateKey: privateKeyFromPem(keyPem), commonName: name })
    const { signup } = connection.client(users.UserServiceService)
    return await signup({ token: '', userName: name, csrDer, formerChainDer: dersFromPem(chainPem) }, { signal })
  } finally {
    connection.close()
  }
}

/** Explains why there is no new certificate, and what to do next. */
export function explainNoReplacement(error: unknown, { dir, profile }: OperatorIdentity): unknown {
  if (!(error instanceof AppError)) return error
  const address = profile.addresses.registration
  const untrusted = isTrustFailure(error)
  const { user } = profile
  const asked = { service: 'registration-service', address, identityDir: dir, user, untrusted } as const
  if (!isRefused(error)) return new CallError(error, asked)
  return new CallError(error, asked, [
    `the certificate in ${dir} has expired, and registration-service refused another: ${error.message}`,
    // The server's message may say so already.
    error.message.includes('users reset') ? undefined : howToRenew(profile),
  ])
}
