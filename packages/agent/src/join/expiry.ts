import { registration } from '@muster/contracts'
import { clocksDiffer } from '@muster/domain'
import { certificateLife, mayPass, type NodeIdentity } from '@muster/identity'
import { connect, isTrustFailure, TlsIdentity } from '@muster/rpc'
import { retry } from '@muster/runtime'
import { utcTime } from '@muster/cli-kit/print'
import type { StartOptions } from '../config/options.ts'
import type { JoinDeps } from './join.ts'
import { stepLimits } from './step-limits.ts'

/** A machine without a network may wait for hours. */
const WARN_EVERY_MS = 60_000

/**
 * True if the certificate of an identity has expired. The clock of this machine alone does
 * not decide: it may be wrong, and an identity that is given up does not come back. It asks the cluster for its time over a
 * connection that the roots of the identity verify, for as long as it takes, or within --join-timeout if there is a token.
 * @throws AppError if the cluster cannot be asked in time
 */
export async function hasExpired(identity: NodeIdentity, options: StartOptions, deps: JoinDeps): Promise<boolean> {
  const { clock, log, signal } = deps
  const { expiresAt } = certificateLife(identity.chainPem)
  const seemsExpired = () => expiresAt <= clock.now()
  if (!seemsExpired()) return false
  let warnAtMs = 0
  const mustEnd = options.token !== undefined || options.oneshot
  const within = stepLimits(clock, mustEnd ? options.joinTimeoutMs : Number.POSITIVE_INFINITY)
  const ask = () => askTime(identity, options, deps, within(10_000))
  const serverTime = await retry(async () => (seemsExpired() ? ask() : clock.now()), {
    clock,
    signal,
    isTransient: (error) => mayPass(error) && !isTrustFailure(error),
    ...(mustEnd && { giveUpAfterMs: options.joinTimeoutMs }),
    maxDelayMs: 5_000,
    onRetry: (error) => {
      if (clock.elapsedMs() < warnAtMs) return
      warnAtMs = clock.elapsedMs() + WARN_EVERY_MS
      const end = `the certificate expired at ${utcTime(expiresAt)} by the clock of this machine`
      log.warn({ err: error }, `${end}, and the cluster could not be asked yet; trying again`)
    },
  }).catch((error: unknown) => {
    // The cluster has other roots now, so this identity is of no use there.
    if (isTrustFailure(error)) return clock.now()
    throw error
  })
  if (expiresAt > serverTime) {
    if (seemsExpired()) log.warn({}, clocksDiffer(clock.now(), serverTime))
    return false
  }
  return true
}

/** The time of the cluster; that of this machine if the cluster does not tell. */
async function askTime(
  { bundlePem, profile }: NodeIdentity,
  options: StartOptions,
  { clock, signal, proxyFor }: JoinDeps,
  timeoutMs: number,
): Promise<Date> {
  const identity = new TlsIdentity({ hostRootsPem: bundlePem, userRootsPem: '' })
  const addresses = [options.authServer ?? profile.authServer]
  const { clusterName } = profile
  const connection = connect({ addresses, identity, service: 'registration-service', clusterName, proxyFor })
  try {
    const { getTrustBundle } = connection.client(registration.RegistrationServiceService)
    return (await getTrustBundle({}, { timeoutMs, signal })).serverTime ?? clock.now()
  } finally {
    connection.close()
  }
}
