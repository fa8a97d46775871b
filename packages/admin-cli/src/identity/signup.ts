import { CliError } from '@muster/cli-kit'
import { registration, users } from '@muster/contracts'
import { AppError, ClockError } from '@muster/domain'
import { createCsr, generateKey, privateKeyFromPem, privateKeyPem } from '@muster/pki'
import { connect, fetchPinnedRoot, isTrustFailure, isWrongService, type ProxyFor, TlsIdentity } from '@muster/rpc'
import type { IdentityFolder, OperatorProfile } from '@muster/identity'
import { CallError, nextAfter } from '../cli/errors.ts'
import { CLUSTER_FAULT, identityOf, readClusterName } from './grant.ts'
import type { IdentityStore } from './identity-store.ts'

/** What a signup needs: where to store the identity, the server and its pins, the person and their token. */
export interface SignupOptions {
  store: IdentityStore
  /** HOST:PORT of registration-service. */
  authServer: string
  caPins: readonly string[]
  user: string
  token: string
  signal: AbortSignal
  /** The proxy for an address, if there is one. */
  proxyFor: ProxyFor
  /** Called with the cluster's name and its time before the token is sent; an error stops the signup. */
  onCluster: (clusterName: string, serverTime: Date | undefined) => Promise<void>
  /** Called when the token is used up; may return a better error. */
  explainUsed: (clusterName: string) => Promise<Error | undefined>
}

/**
 * Signs a person up: checks the pin on a connection that sends no data, then asks for the cluster's name over a connection
 * that trusts only the pinned root, then sends the token. The key is on disk first and stays the same, so a lost reply can
 * be repeated. @throws CliError
 */
export async function signUp(options: SignupOptions): Promise<IdentityFolder<OperatorProfile>> {
  const { store, authServer, caPins, user, token, signal, proxyFor, onCluster } = options
  // Fails at once if the variable of the environment is malformed.
  proxyFor(authServer)
  const keyPem = await store.pendingKey(user, authServer, token, () => privateKeyPem(generateKey()))
  const explain = (error: unknown) => explained(error, options)
  const service = 'registration-service'
  const rootPem = await fetchPinnedRoot({ address: authServer, pins: caPins, service, proxyFor, signal }).catch(explain)
  const anonymous = new TlsIdentity({ hostRootsPem: rootPem, userRootsPem: '' })
  const addresses = [authServer]
  const connection = connect({ addresses, identity: anonymous, service, proxyFor })
  try {
    const { getTrustBundle } = connection.client(registration.RegistrationServiceService)
    const { trustBundle, serverTime } = await getTrustBundle({}, { signal }).catch(explain)
    const clusterName = readClusterName(trustBundle)
    await onCluster(clusterName, serverTime)
    const csrDer = createCsr({ privateKey: privateKeyFromPem(keyPem), commonName: user })
    const { signup } = connection.client(users.UserServiceService)
    const request = { token, userName: user, csrDer, formerChainDer: [] }
    const grant = await signup(request, { signal }).catch(async (error: unknown) => {
      const isUsed = error instanceof AppError && error.reason === 'TOKEN_USED_UP'
      throw (isUsed ? await options.explainUsed(clusterName) : undefined) ?? explain(error)
    })
    const identity = identityOf(grant, { keyPem, user, address: authServer, clusterName })
    if (identity.profile.caPins.some((pin) => caPins.includes(pin))) return identity
    throw new CliError(
      'registration-service answered with the roots of another cluster; nothing was stored',
      CLUSTER_FAULT,
    )
  } finally {
    connection.close()
  }
}

const AGAIN = 'Then run the same command again: it goes on with the same key, and the token is still good.'

function explained(error: unknown, { authServer, user }: SignupOptions): never {
  if (!(error instanceof AppError)) throw error
  const untrusted = isTrustFailure(error)
  const asked = {
    service: 'registration-service',
    address: authServer,
    identityDir: '',
    user,
    untrusted,
  } as const
  if (isWrongService(error)) {
    throw new CallError(error, asked, [`${authServer}: ${error.message}`, 'Correct --auth-server. Nothing was sent.'])
  }
  if (untrusted) {
    throw new CallError(error, asked, [
      error.message,
      'Compare --auth-server and --ca-pin with the command that the admin gave you. If they are the same, do not go on: somebody may be in between.',
    ])
  }
  if (error.cause instanceof ClockError) {
    throw new CallError(error, asked, [`cannot sign up at ${authServer} now: ${error.message}`, AGAIN])
  }
  switch (error.kind) {
    case 'unavailable':
    case 'deadlineExceeded':
    case 'aborted':
    case 'unimplemented':
    case 'internal':
      throw new CallError(error, asked, [
        `cannot sign up at ${authServer} now: ${reasonOf(error)}`,
        `Check the address, and that this machine can reach it. ${AGAIN}`,
      ])
    case 'resourceExhausted':
      throw new CallError(error, asked, [`registration-service refused: ${error.message}`, AGAIN])
    default:
      throw new CallError(error, asked, [
        `registration-service refused: ${error.message}`,
        nextAfter(error, { user }, 'musterctl login') ?? anotherToken(error, user),
      ])
  }
}

/** The next step after a refusal that is not in the table of reasons; undefined if the message has it. */
function anotherToken({ message }: AppError, user: string): string | undefined {
  return message.includes('users reset') ? undefined : `Ask an admin for 'musterctl users reset ${user}'.`
}

/** The cause of a failed connection. */
function reasonOf({ message, cause }: AppError): string {
  return cause instanceof Error && !('metadata' in cause) && !message.includes(cause.message) ? cause.message : message
}
