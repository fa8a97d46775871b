import { registration } from '@muster/contracts'
import type { Connection } from '@muster/rpc'
import type { Clock } from '@muster/runtime'
import type { FollowRotation } from './follow-rotation.ts'
import type { Renewer } from './renewer.ts'

/** What a bot needs to follow the trust bundle. */
export interface FollowBundleDeps {
  renewer: Renewer
  connection: Connection
  rotation: FollowRotation
  clock: Clock
}

/** A bot sends no heartbeats, whose answers would tell it of a rotation; so it asks. */
const ASK_EVERY_MS = 60_000
/** A rotation waits for a bot, so it renews soon. */
const RENEW_WITHIN_MS = 10_000

/**
 * Asks about once a minute whether there is a newer trust bundle or another authority signs, until the signal aborts. A bot
 * takes both in by a renewal, which is also what confirms them. A failed try is repeated a minute later.
 */
export async function followBundle(deps: FollowBundleDeps, signal: AbortSignal): Promise<void> {
  const { renewer, connection, rotation, clock } = deps
  const client = connection.client(registration.RegistrationServiceService)
  while (!signal.aborted) {
    await clock.sleep(ASK_EVERY_MS * (0.5 + Math.random()), signal).catch(() => {})
    if (signal.aborted) return
    const { trustBundle, nodeAuthority } = await client.getTrustBundle({}, { signal }).catch(() => NO_ANSWER)
    const { trustBundleVersion, authorityNumber = 1 } = renewer.inUse.profile
    const isOld = trustBundle !== undefined && trustBundle.version > trustBundleVersion
    const isOther = nodeAuthority !== undefined && nodeAuthority !== authorityNumber
    if (isOld || isOther) rotation.heard({ trustBundleVersion, renewNow: true, renewWithinMs: RENEW_WITHIN_MS })
  }
}

const NO_ANSWER: registration.GetTrustBundleResponse = { trustBundle: undefined }
