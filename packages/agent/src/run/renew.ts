import { AppError } from '@muster/domain'
import type { TlsIdentity } from '@muster/rpc'
import { type Clock, type LineLog, retry } from '@muster/runtime'
import {
  certificateLife,
  isRefused,
  type NodeIdentity,
  renewForever,
  tlsMaterial,
  type Urgency,
} from '@muster/identity'
import { NotTrustedError } from '../exit-status.ts'
import { stepLimits } from '../join/step-limits.ts'
import { Renewer, type RenewerDeps } from './renewer.ts'

/** What the renewal of a node's certificate needs. */
export interface RenewDeps {
  renewer: Renewer
  tls: TlsIdentity
  clock: Clock
  log: LineLog
  /** Raised to renew before the certificate is due. */
  urgency: Urgency
  onRenewed: (identity: NodeIdentity) => void
  /** Called before another certificate is shown: whether it is on disk. */
  onStored: (isStored: boolean) => void
}

/**
 * Renews the certificate until the signal aborts. Each certificate is on disk before it is used, unless the disk takes
 * nothing until the old one has nearly expired. A node that slept past the end of its
 * certificate recovers; a bot must join again with a token.
 * @throws AppError if the server refuses this node or bot
 */
export async function renew(deps: RenewDeps, signal: AbortSignal): Promise<void> {
  const { renewer, tls, clock, log, urgency, onRenewed, onStored } = deps
  await renewForever({
    first: certificateLife(renewer.inUse.chainPem),
    renew: async () => {
      try {
        const identity = await renewer.renew(signal)
        onStored(true)
        tls.update(tlsMaterial(identity))
        onRenewed(identity)
        return certificateLife(identity.chainPem)
      } catch (error) {
        renewer.useUnstored((identity) => {
          onStored(false)
          tls.update(tlsMaterial(identity))
        })
        throw error
      }
    },
    isFinal,
    urgency,
    clock,
    log,
    signal,
  })
}

/** Renews once, due or not, within `limitMs`. Returns the same identity if the server finds it too new to renew. */
export async function renewNow(
  deps: RenewerDeps & Pick<RenewDeps, 'log'>,
  limitMs: number,
  signal: AbortSignal,
): Promise<NodeIdentity> {
  const renewer = new Renewer(deps)
  const within = stepLimits(deps.clock, limitMs)
  try {
    return await retry(() => renewer.renew(signal, within(10_000)), {
      clock: deps.clock,
      signal,
      isTransient: (error) => !isFinal(error) && !isTooSoon(error),
      giveUpAfterMs: limitMs,
      onRetry: (error) => deps.log.warn({ err: error }, 'could not renew yet; trying again'),
    })
  } catch (error) {
    if (isTooSoon(error)) return deps.identity
    throw error
  }
}

function isFinal(error: unknown): boolean {
  return error instanceof NotTrustedError || isRefused(error)
}

function isTooSoon(error: unknown): boolean {
  return error instanceof AppError && error.reason === 'RENEWED_JUST_NOW'
}
