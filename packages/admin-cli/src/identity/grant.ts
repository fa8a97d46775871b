import { CliError } from '@muster/cli-kit'
import type { ca, users } from '@muster/contracts'
import { parseServerAddress, resolveAddress } from '@muster/domain'
import {
  type Grant,
  grantedClusterName,
  GrantError,
  type IdentityFolder,
  type OperatorProfile,
  parseGrant,
} from '@muster/identity'
import { spkiPin } from '@muster/pki'
import { describeIdentity, type OperatorIdentity } from './operator-identity.ts'

/** The reply to a signup and to each renewal. */
export interface OperatorGrant extends Grant {
  sessionExpiresAt: Date | undefined
  addresses: users.OperatorAddresses | undefined
}

/** The person who asked for a grant, and where. */
export interface GrantedPerson {
  keyPem: string
  user: string
  /** HOST:PORT of the registration-service that answered. */
  address: string
  /** Undefined at a signup, which names the cluster. */
  clusterName?: string
}

const FROM = 'registration-service'

/** Turns a grant into an identity after checking that it is for this person and this key. @throws CliError if it is not */
export function identityOf(grant: OperatorGrant, person: GrantedPerson): IdentityFolder<OperatorProfile> {
  const { keyPem, user, address, clusterName } = person
  return explainFault(() => {
    const asked = { from: FROM, keyPem, kind: 'user', name: user, clusterName, trustedRootsPem: '' } as const
    const { trustBundle, chainPem, bundlePem } = parseGrant(grant, asked)
    const { sessionExpiresAt } = grant
    if (sessionExpiresAt === undefined) throw new GrantError(FROM, 'without the end of the session')
    return {
      keyPem,
      chainPem,
      bundlePem,
      profile: {
        clusterName: trustBundle.clusterName,
        caPins: trustBundle.hostRootsDer.map((der) => spkiPin(der)),
        ...addressesIn(grant.addresses, address),
        user,
        sessionExpiresAt: sessionExpiresAt.toISOString(),
      },
    }
  })
}

/** An operator's identity after a renewal. @throws CliError if the grant is not for this operator */
export function renewedBy(grant: OperatorGrant, operator: OperatorIdentity): OperatorIdentity {
  const { keyPem, name: user, profile, realDir } = operator
  const { clusterName, addresses } = profile
  const renewed = identityOf(grant, { keyPem, user, address: addresses.registration, clusterName })
  return { ...operator, ...renewed, ...describeIdentity(realDir, renewed) }
}

/** The cluster's name in a trust bundle. @throws CliError if it is none */
export function readClusterName(trustBundle: ca.TrustBundle | undefined): string {
  return explainFault(() => grantedClusterName(trustBundle, FROM))
}

/** The addresses of the services for this person and, where the cluster publishes one, for other machines. */
function addressesIn(
  given: users.OperatorAddresses | undefined,
  reached: string,
): Pick<OperatorProfile, 'addresses' | 'publicAddress' | 'webAddress'> {
  const { registrationService = '', tokenService = '', caService = '', webService = '' } = given ?? {}
  try {
    const publicAddress = registrationService === '' ? reached : parseServerAddress(registrationService, 'address')
    return {
      addresses: {
        registration: reached,
        token: fromHere(tokenService, reached),
        ca: fromHere(caService, reached),
      },
      publicAddress,
      ...(webService !== '' && { webAddress: fromHere(webService, publicAddress) }),
    }
  } catch (error) {
    throw new GrantError(FROM, 'with invalid addresses', { cause: error })
  }
}

function fromHere(given: string, reached: string): string {
  return parseServerAddress(resolveAddress(given, reached), 'address')
}

/** Turns a GrantError into one for people: they cannot fix it themselves. */
function explainFault<T>(check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (!(error instanceof GrantError)) throw error
    throw new CliError(`${error.message}; nothing was stored`, CLUSTER_FAULT, error)
  }
}

/** The next step after an answer that no client can repair. */
export const CLUSTER_FAULT = 'This is a fault of the cluster; show it to an admin.'
