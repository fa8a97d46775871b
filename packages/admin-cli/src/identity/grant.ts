import { CliError } from '@muster/cli-kit'
import type { ca, users } from '@muster/contracts'
import { formatSpiffeId, parseClusterName, parseServerAddress, splitAddress } from '@muster/domain'
import { certifiedIdentity, chainPem, privateKeyFromPem, publicKeyDer, spkiPin } from '@muster/pki'
import type { IdentityFolder, OperatorProfile } from '@muster/identity'
import { describeIdentity, type OperatorIdentity } from './operator-identity.ts'

/** What a signup and each renewal hand out. */
export interface Grant {
  certificate: ca.IssuedCertificate | undefined
  trustBundle: ca.TrustBundle | undefined
  sessionExpiresAt: Date | undefined
  addresses: users.OperatorAddresses | undefined
}

/** To whom a grant was made, and where. */
export interface Granted {
  keyPem: string
  user: string
  /** HOST:PORT at which registration-service was reached. */
  address: string
}

/**
 * The identity that a grant makes, after checking that it is what was asked for: for this key and this name, and signed
 * under the user root of a cluster that the server who gave it belongs to. @throws CliError if it is not
 */
export function identityFrom(grant: Grant, { keyPem, user, address }: Granted): IdentityFolder<OperatorProfile> {
  const { certificate, trustBundle, sessionExpiresAt } = grant
  const chainDer = certificate?.chainDer ?? []
  if (chainDer.length === 0 || trustBundle === undefined || sessionExpiresAt === undefined) {
    throw notOurs('without a whole certificate')
  }
  const clusterName = readClusterName(trustBundle)
  const spiffeId = formatSpiffeId({ clusterName, kind: 'user', name: user })
  const ownKeyDer = publicKeyDer(privateKeyFromPem(keyPem))
  const rootsDer = trustBundle.userRootsDer
  if (certifiedIdentity({ chainDer, rootsDer, spiffeId, publicKeyDer: ownKeyDer, at: 'now' }) === undefined) {
    throw notOurs('with a certificate that is not yours')
  }
  return {
    keyPem,
    chainPem: chainPem(chainDer),
    bundlePem: chainPem(trustBundle.hostRootsDer),
    profile: {
      clusterName,
      caPins: trustBundle.hostRootsDer.map((der) => spkiPin(der)),
      ...addressesIn(grant.addresses, address),
      user,
      sessionExpiresAt: sessionExpiresAt.toISOString(),
    },
  }
}

/** An operator with what a renewal of their certificate has handed out. @throws CliError if it is not for them */
export function renewedBy(grant: Grant, operator: OperatorIdentity): OperatorIdentity {
  const { keyPem, name, profile, realDir } = operator
  const renewed = identityFrom(grant, { keyPem, user: name, address: profile.addresses.registration })
  if (renewed.profile.clusterName !== profile.clusterName) throw notOurs('for another cluster')
  return { ...operator, ...renewed, ...describeIdentity(realDir, renewed) }
}

/** The cluster's name, which becomes part of a path. @throws CliError */
export function readClusterName({ clusterName }: ca.TrustBundle): string {
  try {
    return parseClusterName(clusterName)
  } catch (error) {
    throw notOurs("with a cluster's name that is none", error)
  }
}

/** Where this person goes on to reach the services, and where other machines do as far as the cluster says. */
function addressesIn(
  given: users.OperatorAddresses | undefined,
  reached: string,
): Pick<OperatorProfile, 'addresses' | 'publicAddress'> {
  const { registrationService = '', tokenService = '', caService = '' } = given ?? {}
  try {
    return {
      addresses: {
        registration: reached,
        token: fromHere(tokenService, reached),
        ca: fromHere(caService, reached),
      },
      publicAddress: registrationService === '' ? reached : parseServerAddress(registrationService, 'address'),
    }
  } catch (error) {
    throw notOurs('with addresses that cannot be read', error)
  }
}

/** `:PORT` is a port of the host that was reached already. */
function fromHere(given: string, reached: string): string {
  const { host } = splitAddress(reached)
  const whole = given.startsWith(':') ? `${host.includes(':') ? `[${host}]` : host}${given}` : given
  return parseServerAddress(whole, 'address')
}

function notOurs(how: string, cause?: unknown): CliError {
  return new CliError(
    `registration-service answered ${how}, so nothing of it was kept`,
    'That is a fault of the cluster; show it to an admin.',
    cause,
  )
}
