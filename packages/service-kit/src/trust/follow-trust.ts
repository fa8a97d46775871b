import { randomUUID } from 'node:crypto'
import os from 'node:os'
import { ca } from '@muster/contracts'
import { AppError } from '@muster/domain'
import type { Urgency } from '@muster/identity'
import type { Connection } from '@muster/rpc'
import type { Clock, Logger } from '@muster/runtime'
import type { HeldIdentity } from './held-identity.ts'

/** What following needs. */
export interface FollowOptions {
  held: HeldIdentity
  /** To ca-service. */
  connection: Pick<Connection, 'duplex'>
  /** Raised when another authority signs for services than the one that signed the certificate in use. */
  urgency: Urgency
  /** 5 s by default: a rotation waits for a replica that has confirmed within 15 s. */
  confirmEveryMs?: number
  clock: Clock
  log: Logger
  signal: AbortSignal
}

const CONFIRM_EVERY_MS = 5_000
/** Full jitter, so that services that lost ca-service together do not return together. */
const LONGEST_RETRY_MS = 5_000
/** A ca-service of an earlier version does not have the RPC. */
const UNKNOWN_RETRY_MS = 60_000

/**
 * Follows the trust bundle and the authorities until the signal aborts, over a stream from ca-service that is opened again
 * when it breaks. What it hears of is in use at once: no restart, and no open stream ends.
 */
export async function followTrust(options: FollowOptions): Promise<void> {
  const { held, clock, log, signal } = options
  const replicaId = randomUUID()
  let failures = 0
  while (!signal.aborted) {
    try {
      await followOnce(options, replicaId, () => (failures = 0))
    } catch (error) {
      if (signal.aborted) return
      const isOlder = error instanceof AppError && error.reason === 'METHOD_UNKNOWN'
      // The first failure is often only a server that closes an old connection.
      if (failures === 1 && !isOlder) log.warn({ err: error }, 'cannot follow the trust bundle; trying again')
      if (isOlder) await clock.sleep(UNKNOWN_RETRY_MS, signal).catch(() => {})
    }
    failures += 1
    const capMs = Math.min(LONGEST_RETRY_MS, 100 * 2 ** failures)
    await clock.sleep(Math.random() * capMs, signal).catch(() => {})
  }
  log.debug({ version: held.trustBundle.version }, 'stopped following the trust bundle')
}

/** Runs one stream to its end. @throws AppError if it breaks */
async function followOnce(options: FollowOptions, replicaId: string, onAnswer: () => void): Promise<void> {
  const { held, connection, confirmEveryMs = CONFIRM_EVERY_MS, clock, signal } = options
  const ended = new AbortController()
  const stop = () => ended.abort()
  const confirm = () =>
    stream.send({
      replicaId,
      hostname: os.hostname(),
      trustBundleVersion: held.trustBundle.version,
      authorityNumber: held.authorityNumber,
    })
  const stream = connection.duplex(ca.CaServiceService.watchTrustBundle, (answer: ca.WatchTrustBundleResponse) => {
    onAnswer()
    if (takeIn(answer, options)) confirm()
  })
  // A renewal changes what there is to confirm; it also wants a connection that presents the new certificate.
  let former = held.tls.current.own
  const stopFollowing = held.tls.onUpdate(() => {
    if (held.tls.current.own !== former && held.tls.current.own?.chainPem !== former?.chainPem) stop()
    former = held.tls.current.own
  })
  stream.ended.then(stop, stop)
  signal.addEventListener('abort', stop, { once: true })
  try {
    confirm()
    while (!ended.signal.aborted) {
      await clock.sleep(confirmEveryMs, ended.signal).catch(() => {})
      if (!ended.signal.aborted) confirm()
    }
    await stream.end()
    await stream.ended
  } finally {
    stopFollowing()
    signal.removeEventListener('abort', stop)
    stream.cancel()
  }
}

/** @returns whether there is something to confirm */
function takeIn({ trustBundle, signers }: ca.WatchTrustBundleResponse, options: FollowOptions): boolean {
  const { held, urgency, log } = options
  const isNew = trustBundle !== undefined && held.trust(trustBundle)
  if (isNew) log.info({ event: 'trust-bundle.changed', version: trustBundle.version }, 'the trust bundle has changed')
  held.signers = signers ?? held.signers
  if (signers !== undefined && signers.service !== held.authorityNumber) urgency.raise()
  return isNew
}
