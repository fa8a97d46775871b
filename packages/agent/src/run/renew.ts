import { bots, registration } from '@muster/contracts'
import { AppError, isTransient } from '@muster/domain'
import { createCsr, privateKeyFromPem } from '@muster/pki'
import type { Connection, TlsIdentity } from '@muster/rpc'
import { type Clock, type LineLog, retry } from '@muster/runtime'
import { renewForever } from '@muster/identity'
import { NotTrustedError } from '../exit-status.ts'
import { ensureNodeKey, keepGrant, lifeOf, tlsMaterial, type NodeIdentity } from '../join/node-identity.ts'

export interface RenewDeps {
  dataDir: string
  identity: NodeIdentity
  tls: TlsIdentity
  connection: Connection
  clock: Clock
  log: LineLog
  /** True when a renewal is wanted before it is due. */
  isUrgent: () => boolean
  onRenewed: (identity: NodeIdentity) => void
}

/** Besides what is transient by nature: a fault of the server's, and having renewed a moment ago. */
const MAY_PASS: readonly string[] = ['internal', 'resourceExhausted']

/**
 * Keeps the certificate fresh until the signal aborts; it is kept on disk before it is used. A machine that slept through
 * the end of its certificate has no identity left to renew with: it is refused here, and must join again with a token.
 * @throws AppError when the server refuses this node or bot
 */
export async function renew(deps: RenewDeps, signal: AbortSignal): Promise<void> {
  const { dataDir, tls, connection, clock, log, isUrgent, onRenewed } = deps
  let { identity } = deps
  await renewForever({
    first: lifeOf(identity),
    renew: async () => {
      identity = await renewOnce(dataDir, identity, connection, signal)
      tls.update(tlsMaterial(identity))
      onRenewed(identity)
      return lifeOf(identity)
    },
    isFinal,
    isUrgent,
    clock,
    log,
    signal,
  })
}

/** Renews once, due or not, within `limitMs`. One that the server finds too fresh to renew is good as it is. */
export async function renewNow(
  { dataDir, identity, connection, clock, log }: Omit<RenewDeps, 'tls' | 'isUrgent' | 'onRenewed'>,
  limitMs: number,
  signal: AbortSignal,
): Promise<NodeIdentity> {
  try {
    return await retry(() => renewOnce(dataDir, identity, connection, signal), {
      clock,
      signal,
      isTransient: (error) => !isFinal(error) && !isTooSoon(error),
      giveUpAfterMs: limitMs,
      onRetry: (error) => log.warn({ err: error }, 'could not renew yet; trying again'),
    })
  } catch (error) {
    if (isTooSoon(error)) return identity
    throw error
  }
}

/**
 * One renewal. A node keeps its key. A bot takes a new one each time, so that of two holders of a copy one gives itself
 * away; it is on disk before it is asked for, and asked for again after a lost reply or a crash.
 */
async function renewOnce(
  dataDir: string,
  identity: NodeIdentity,
  connection: Connection,
  signal: AbortSignal,
): Promise<NodeIdentity> {
  const { profile, bundlePem } = identity
  if (profile.botName === undefined) {
    const reply = await connection.client(registration.RegistrationServiceService).renewCertificate({}, { signal })
    return keepGrant(dataDir, identity.keyPem, reply, profile, bundlePem)
  }
  const nextKeyPem = await ensureNodeKey(dataDir, 'nextKey')
  const csrDer = createCsr({ privateKey: privateKeyFromPem(nextKeyPem), commonName: profile.botName })
  const reply = await connection.client(bots.BotServiceService).renewBot({ csrDer }, { signal })
  return keepGrant(dataDir, nextKeyPem, reply, profile, bundlePem)
}

function isFinal(error: unknown): boolean {
  return (
    error instanceof NotTrustedError ||
    (error instanceof AppError && !isTransient(error) && !MAY_PASS.includes(error.kind))
  )
}

function isTooSoon(error: unknown): boolean {
  return error instanceof AppError && error.reason === 'RENEWED_JUST_NOW'
}
