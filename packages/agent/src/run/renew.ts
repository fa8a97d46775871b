import { bots, registration } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { createCsr, privateKeyFromPem } from '@muster/pki'
import type { Connection, TlsIdentity } from '@muster/rpc'
import { type Clock, type LineLog, retry } from '@muster/runtime'
import { certificateLife, isRefused, type NodeIdentity, renewForever, tlsMaterial } from '@muster/identity'
import { NotTrustedError } from '../exit-status.ts'
import { ensureNodeKey, storeGrant } from '../join/node-identity.ts'

/** What the renewal of a node's certificate needs. */
export interface RenewDeps {
  dataDir: string
  identity: NodeIdentity
  tls: TlsIdentity
  connection: Connection
  clock: Clock
  log: LineLog
  /** True to renew before the certificate is due. */
  isUrgent: () => boolean
  onRenewed: (identity: NodeIdentity) => void
}

/**
 * Renews the certificate until the signal aborts. Each certificate is on disk before it is used. After a sleep past the
 * end of its certificate, a machine cannot renew: the server refuses it, and it must join again with a token.
 * @throws AppError if the server refuses this node or bot
 */
export async function renew(deps: RenewDeps, signal: AbortSignal): Promise<void> {
  const { dataDir, tls, connection, clock, log, isUrgent, onRenewed } = deps
  let { identity } = deps
  await renewForever({
    first: certificateLife(identity.chainPem),
    renew: async () => {
      identity = await renewOnce({ dataDir, identity, connection, clock }, signal)
      tls.update(tlsMaterial(identity))
      onRenewed(identity)
      return certificateLife(identity.chainPem)
    },
    isFinal,
    isUrgent,
    clock,
    log,
    signal,
  })
}

/** Renews once, due or not, within `limitMs`. Returns the same identity if the server finds it too new to renew. */
export async function renewNow(
  { dataDir, identity, connection, clock, log }: Omit<RenewDeps, 'tls' | 'isUrgent' | 'onRenewed'>,
  limitMs: number,
  signal: AbortSignal,
): Promise<NodeIdentity> {
  try {
    return await retry(() => renewOnce({ dataDir, identity, connection, clock }, signal), {
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
 * Renews once. A node keeps its key. A bot changes its key each time, so that the cluster notices a copy of its
 * credentials. The next key is on disk before the request, and the same after a lost reply or a crash.
 */
async function renewOnce(
  { dataDir, identity, connection, clock }: Pick<RenewDeps, 'dataDir' | 'identity' | 'connection' | 'clock'>,
  signal: AbortSignal,
): Promise<NodeIdentity> {
  const { profile, keyPem, bundlePem: trustedRootsPem } = identity
  if (profile.botName === undefined) {
    const reply = await connection.client(registration.RegistrationServiceService).renewCertificate({}, { signal })
    return storeGrant({ dataDir, keyPem, grant: reply, profile, trustedRootsPem, now: clock.now() })
  }
  const nextKeyPem = await ensureNodeKey(dataDir, 'nextKey')
  const csrDer = createCsr({ privateKey: privateKeyFromPem(nextKeyPem), commonName: profile.botName })
  const reply = await connection.client(bots.BotServiceService).renewBot({ csrDer }, { signal })
  return storeGrant({ dataDir, keyPem: nextKeyPem, grant: reply, profile, trustedRootsPem, now: clock.now() })
}

function isFinal(error: unknown): boolean {
  return error instanceof NotTrustedError || isRefused(error)
}

function isTooSoon(error: unknown): boolean {
  return error instanceof AppError && error.reason === 'RENEWED_JUST_NOW'
}
