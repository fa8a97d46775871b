import { retry, type Clock, type Logger } from '@muster/runtime'

/** A certificate's life. */
export interface Renewed {
  issuedAt: Date
  expiresAt: Date
}

export interface RenewalOptions {
  first: Renewed
  /** Gets the next certificate; `expired` says that the old one no longer opens a door. Tried until it succeeds. */
  renew: (expired: boolean) => Promise<Renewed>
  clock: Clock
  log: Logger
  signal: AbortSignal
  random?: () => number
}

/** A sleep is cut into pieces, so that a machine that was suspended notices soon after it wakes. */
const LONGEST_SLEEP_MS = 60_000

/**
 * Renews a certificate again and again, each time at a random 50-80 % of its life, so that members who joined together
 * do not renew together (SwarmKit does the same). Returns when the signal aborts.
 */
export async function renewForever({ first, renew, clock, log, signal, random }: RenewalOptions): Promise<void> {
  let current = first
  while (!signal.aborted) {
    try {
      await sleepUntil(renewalTime(current, random), clock, signal)
      current = await retry(() => renew(current.expiresAt <= clock.now()), {
        clock,
        signal,
        isTransient: () => true,
        baseDelayMs: 1_000,
        maxDelayMs: 60_000,
        onRetry: (error) => log.warn({ err: error, expiresAt: current.expiresAt }, 'renewal failed; trying again'),
      })
      log.info({ event: 'certificate.renewed', expiresAt: current.expiresAt }, 'renewed the certificate')
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}

/** When to renew: a random point between 50 % and 80 % of the certificate's life. */
export function renewalTime({ issuedAt, expiresAt }: Renewed, random = Math.random): Date {
  const lifeMs = expiresAt.getTime() - issuedAt.getTime()
  return new Date(issuedAt.getTime() + lifeMs * (0.5 + 0.3 * random()))
}

async function sleepUntil(time: Date, clock: Clock, signal: AbortSignal): Promise<void> {
  for (;;) {
    const restMs = time.getTime() - clock.now().getTime()
    if (restMs <= 0) return
    await clock.sleep(Math.min(restMs, LONGEST_SLEEP_MS), signal)
  }
}
