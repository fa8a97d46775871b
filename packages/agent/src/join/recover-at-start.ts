import { isServerFault, refusal } from '@muster/domain'
import { certificateLife, isRefused, mayPass, type NodeIdentity } from '@muster/identity'
import { isTrustFailure } from '@muster/rpc'
import { FileError, retry } from '@muster/runtime'
import { utcTime } from '@muster/cli-kit/print'
import type { StartOptions } from '../config/options.ts'
import type { JoinDeps } from './join.ts'
import { storeIdentity } from './node-identity.ts'
import { recover } from './recover.ts'

/**
 * Replaces an expired identity at the start of an agent: a node recovers, with its id and without a token. It takes as long
 * as the cluster needs to answer, or --join-timeout if there is a token.
 * @returns the identity, which is on disk; undefined if it is to join by its token
 * @throws AppError with the reason of the cluster if there is no token
 */
export async function recoverAtStart(
  identity: NodeIdentity,
  options: StartOptions,
  deps: JoinDeps,
): Promise<NodeIdentity | undefined> {
  const { clock, log, signal, proxyFor } = deps
  const hasToken = options.token !== undefined
  const { expiresAt } = certificateLife(identity.chainPem)
  const expired = refusal('CERTIFICATE_EXPIRED', `the certificate expired at ${utcTime(expiresAt)}`)
  if (identity.profile.botName !== undefined) {
    if (hasToken) return undefined
    throw expired
  }
  const authServer = options.authServer ?? identity.profile.authServer
  try {
    return await retry(
      async () => {
        const recovered = await recover(identity, { authServer, proxyFor }, { signal })
        await storeIdentity(options.dataDir, recovered)
        return recovered
      },
      {
        clock,
        signal,
        isTransient: (error) => error instanceof FileError || (mayPass(error) && !isTrustFailure(error)),
        ...((hasToken || options.oneshot) && { giveUpAfterMs: options.joinTimeoutMs }),
        maxDelayMs: 5_000,
        onRetry: (error) => log.warn({ err: error }, 'could not recover yet; trying again'),
      },
    )
  } catch (error) {
    if (!hasToken) throw isTrustFailure(error) ? expired : error
    if (!isRefused(error) && !isServerFault(error) && !isTrustFailure(error)) throw error
    log.warn({ err: error }, 'cannot recover the expired identity; joining by the token instead')
    return undefined
  }
}
