import type { ca } from '@muster/contracts'
import { chainPem } from '@muster/pki'
import type { ClientOf } from '@muster/rpc'
import { type Background, repeatEvery } from '@muster/runtime'

const REFRESH_EVERY_MS = 60_000

/** The trust bundle as this service knows it. */
export interface Bundle {
  /** The roots that vouch for nodes and services, PEM. */
  hostRootsPem(): string
}

/**
 * Starts with the bundle that came with the service's identity, and asks ca-service for it every minute. The last one
 * stays while ca-service does not answer.
 */
export function followBundle(
  first: ca.TrustBundle,
  authority: Pick<ClientOf<ca.CaServiceService>, 'getTrustBundle'>,
  background: Background,
): Bundle {
  let rootsDer = first.hostRootsDer
  const work = async (signal: AbortSignal) => {
    const { trustBundle } = await authority.getTrustBundle({}, { signal })
    if (trustBundle !== undefined && trustBundle.hostRootsDer.length > 0) rootsDer = trustBundle.hostRootsDer
  }
  repeatEvery({ task: 'bundle-refresh', everyMs: REFRESH_EVERY_MS, work }, background)
  return { hostRootsPem: () => chainPem(rootsDer) }
}
