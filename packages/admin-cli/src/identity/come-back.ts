import { CliError, type Io } from '@muster/cli-kit'
import { users } from '@muster/contracts'
import { AppError, messageOf } from '@muster/domain'
import { createCsr, dersFromPem, privateKeyFromPem } from '@muster/pki'
import { connect, isTrustFailure, TlsIdentity } from '@muster/rpc'
import { CallError, howToRenew } from '../cli/errors.ts'
import { renewedBy, type OperatorGrant } from './grant.ts'
import { mustComeBack, type OperatorIdentity } from './operator-identity.ts'
import { safeText } from '@muster/domain/safe-text'
import { isRefused, writeIdentity } from '@muster/identity'

/** What coming back needs besides the identity. */
export interface ComeBackOptions {
  now: () => Date
  signal: AbortSignal
}

/** A certificate that ends so soon may not last until a command has said what it wants. */
const MARGIN_MS = 5_000

/**
 * The identity with a certificate that is good: a person whose certificate has ended, and whose session has not, gets and
 * keeps another first. Several programs may do so at once, as with a renewal. @throws CliError that says why not
 */
export async function withCertificate(
  operator: OperatorIdentity,
  { io, ...options }: ComeBackOptions & { io: Pick<Io, 'stderr'> },
): Promise<OperatorIdentity> {
  if (!mustComeBack(operator, options.now(), MARGIN_MS)) return operator
  const grant = await comeBack(operator, options).catch((error: unknown) => {
    throw whyNotBack(error, operator)
  })
  const returned = renewedBy(grant, operator, options.now())
  await writeIdentity(returned.realDir, returned).catch((error: unknown) => {
    const line = `the new certificate could not be kept in ${returned.dir}: ${messageOf(error)}`
    io.stderr.write(`musterctl: warning: ${safeText(line)}\n`)
  })
  return returned
}

/**
 * Asks for a certificate by the key and the certificate that has ended, over a connection that shows none and trusts the roots of the identity only.
 * Safe to repeat. @throws AppError, or CliError if this machine's clock is far ahead
 */
export async function comeBack(operator: OperatorIdentity, { now, signal }: ComeBackOptions): Promise<OperatorGrant> {
  const { keyPem, chainPem, bundlePem, name, profile } = operator
  const connection = connect({
    addresses: [profile.addresses.registration],
    identity: new TlsIdentity({ hostRootsPem: bundlePem, userRootsPem: '' }),
    service: 'registration-service',
    clusterName: profile.clusterName,
  })
  try {
    const csrDer = createCsr({ privateKey: privateKeyFromPem(keyPem), commonName: name })
    const { signup } = connection.client(users.UserServiceService)
    const grant = await signup({ token: '', userName: name, csrDer, formerChainDer: dersFromPem(chainPem) }, { signal })
    const end = grant.certificate?.expiresAt
    if (end === undefined || end > now()) return grant
    throw new CliError(
      'the new certificate has ended already by the time of this machine',
      "Check this machine's clock.",
    )
  } finally {
    connection.close()
  }
}

/** Says of a failure to come back what happened, and what to do next. */
export function whyNotBack(error: unknown, { dir, profile }: OperatorIdentity): unknown {
  if (!(error instanceof AppError)) return error
  const address = profile.addresses.registration
  const untrusted = isTrustFailure(error)
  const { user } = profile
  const asked = { service: 'registration-service', address, identityDir: dir, user, untrusted } as const
  if (!isRefused(error)) return new CallError(error, asked)
  return new CallError(error, asked, [
    `the certificate in ${dir} has ended, and registration-service refused another: ${error.message}`,
    // It may have said so itself.
    error.message.includes('users reset') ? undefined : howToRenew(profile),
  ])
}
