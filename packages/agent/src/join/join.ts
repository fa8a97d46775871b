import { registration } from '@muster/contracts'
import { CERTIFICATE_BACKDATE_MS, clocksDiffer } from '@muster/domain'
import { certificateLife, mayPass, type NodeIdentity } from '@muster/identity'
import { createCsr, privateKeyFromPem } from '@muster/pki'
import { connect, fetchPinnedRoot, isPinMismatch, isTrustFailure, type ProxyFor, TlsIdentity } from '@muster/rpc'
import { type Clock, FileError, type LineLog, retry, VERSION } from '@muster/runtime'
import { UsageError } from '@muster/cli-kit'
import { NotTrustedError, WrongPinError } from '../exit-status.ts'
import { ensureNodeKey, identityOf, storeIdentity } from './node-identity.ts'
import { reportedFacts } from './reported-facts.ts'
import { stepLimits } from './step-limits.ts'
import { nodeFacts, type StartOptions } from '../config/options.ts'

/** The options of a join, which needs a token and an address. */
export interface JoinOptions extends StartOptions {
  token: string
  authServer: string
}

/** What a join needs besides its options. */
export interface JoinDeps {
  clock: Clock
  log: LineLog
  signal: AbortSignal
  /** The proxy for an address, if there is one. */
  proxyFor: ProxyFor
}

/** Checks the options of a first start. @throws UsageError that lists every missing flag */
export function requireJoinOptions(options: StartOptions): JoinOptions {
  const { token, authServer, caPins, skipCaPin } = options
  const missing = [
    ...(token === undefined ? ['--token'] : []),
    ...(authServer === undefined ? ['--auth-server'] : []),
    ...(caPins.length === 0 && !skipCaPin ? ['--ca-pin'] : []),
  ]
  if (missing.length > 0 || token === undefined || authServer === undefined) {
    throw new UsageError(
      `${options.dataDir} holds no identity yet, so this node must join, which needs ${missing.join(', ')}.\n` +
        options.notes.map((note) => `${note}.\n`).join('') +
        `'musterctl tokens add --type=node' prints the complete command, and an invitation that contains all three.`,
    )
  }
  return { ...options, token, authServer }
}

/**
 * Joins the cluster: checks the pin on a connection that sends no data, then sends the token over a connection that
 * trusts only the pinned root, then stores the identity. Retries within --join-timeout, no sooner than the server allows,
 * and always with the same key, so that a lost reply costs nothing. An identity in the folder stays until it is replaced.
 * @throws NotTrustedError, AppError with the server's reason, or the last transient AppError after the time limit
 */
export async function join(
  options: JoinOptions,
  { clock, log, signal, proxyFor }: JoinDeps,
  keyName: 'key' | 'joinKey' = 'key',
): Promise<NodeIdentity> {
  const { dataDir, token, authServer, caPins, skipCaPin } = options
  const facts = nodeFacts(options.facts)
  const keyPem = await ensureNodeKey(dataDir, keyName)
  const roles = options.roles ?? ['node' as const]
  if (skipCaPin) {
    log.warn(
      {},
      `the CA pin is not checked: any server at ${authServer} can take the token, and this node will trust it`,
    )
  }
  const request: registration.RegisterRequest = {
    token,
    csrDer: createCsr({ privateKey: privateKeyFromPem(keyPem), commonName: 'joining' }),
    // A bot is no node, and people do not sort it by a machine.
    ...(roles.includes('bot') ? facts : reportedFacts(facts)),
    roles,
    version: VERSION,
  }
  // Fails at once if the variable of the environment is malformed.
  proxyFor(authServer)
  const within = stepLimits(clock, options.joinTimeoutMs)
  const ask = async (): Promise<NodeIdentity> => {
    const pins = skipCaPin ? undefined : caPins
    const service = 'registration-service'
    const rootPem = await fetchPinnedRoot({
      address: authServer,
      pins,
      service,
      proxyFor,
      limitMs: within(10_000),
      signal,
    })
    const anonymous = new TlsIdentity({ hostRootsPem: rootPem, userRootsPem: '' })
    const addresses = [authServer]
    const connection = connect({ addresses, identity: anonymous, service: 'registration-service', proxyFor })
    try {
      const client = connection.client(registration.RegistrationServiceService)
      const reply = await client.register(request, { timeoutMs: within(10_000), signal })
      const { nodeId, botName } = reply
      const profile = { nodeId, ...(botName !== '' && { botName }), roles, authServer, facts }
      return identityOf({ keyPem, grant: reply, profile, trustedRootsPem: rootPem })
    } finally {
      connection.close()
    }
  }
  let granted: NodeIdentity | undefined
  const attempt = async (): Promise<NodeIdentity> => {
    if (granted === undefined) {
      granted = await ask()
      warnOfClock(certificateLife(granted.chainPem).issuedAt, { clock, log })
    }
    await storeIdentity(dataDir, granted)
    return granted
  }
  try {
    return await retry(attempt, {
      clock,
      signal,
      isTransient: (error) => error instanceof FileError || (mayPass(error) && !isTrustFailure(error)),
      giveUpAfterMs: options.joinTimeoutMs,
      maxDelayMs: 5_000,
      onRetry: (error) => log.warn({ err: error }, 'could not join yet; trying again'),
    })
  } catch (error) {
    if (isPinMismatch(error)) throw new WrongPinError((error as Error).message, { cause: error })
    if (isTrustFailure(error)) throw new NotTrustedError((error as Error).message, { cause: error })
    throw error
  }
}

/** A certificate that the server has just issued tells its time. */
function warnOfClock(issuedAt: Date, { clock, log }: Pick<JoinDeps, 'clock' | 'log'>): void {
  const now = clock.now()
  if (Math.abs(now.getTime() - issuedAt.getTime()) <= CERTIFICATE_BACKDATE_MS) return
  log.warn({}, clocksDiffer(now, issuedAt))
}
