import { type Clock, type LineLog, retry } from '@muster/runtime'
import type { CertificateLife } from './certificate-life.ts'
import { Urgency } from './urgency.ts'

/** What `renewForever` needs. */
export interface RenewalOptions {
  /** The life of the certificate in use. */
  first: CertificateLife
  /** Gets the next certificate; `expired` is true if the current one no longer works. Called until it succeeds. */
  renew: (expired: boolean) => Promise<CertificateLife>
  /** True for errors that a retry cannot fix; `renewForever` throws them. */
  isFinal?: (error: unknown) => boolean
  /** Raised, it starts the renewal at once. Cleared by each renewal. */
  urgency?: Urgency
  clock: Clock
  log: LineLog
  signal: AbortSignal
  random?: () => number
}

const LONGEST_SLEEP_MS = 60_000

/**
 * Renews a certificate each time a random 50-80 % of its life has passed, so that members who joined together do not
 * renew together (SwarmKit does the same). Returns when the signal aborts.
 */
export async function renewForever(options: RenewalOptions): Promise<void> {
  const {
    first,
    renew,
    isFinal = () => false,
    urgency = new Urgency(),
    clock,
    log,
    signal,
    random = Math.random,
  } = options
  let current = first
  let obtainedAtMs = clock.elapsedMs()
  while (!signal.aborted) {
    try {
      const dueAt = renewalTime(current, random)
      const dueAfterMs = dueAt.getTime() - current.issuedAt.getTime()
      // By the time of day, which also counts a sleep of the machine; and by the other clock, in case the time of day is
      // behind or is set back.
      const restOf = () =>
        Math.min(dueAt.getTime() - clock.now().getTime(), obtainedAtMs + dueAfterMs - clock.elapsedMs())
      while (restOf() > 0 && !urgency.isRaised) {
        const restMs = restOf()
        // Short sleeps of random length: a machine that was suspended notices soon after it wakes up, and members that
        // learn of an urgent renewal at once start it at different times.
        const sleepMs = Math.min(restMs, LONGEST_SLEEP_MS * (0.5 + random() / 2))
        await clock.sleep(sleepMs, AbortSignal.any([signal, urgency.signal])).catch((error: unknown) => {
          if (!urgency.isRaised) throw error
        })
      }
      // A request that comes while the renewal is under way may be about what it does not bring yet.
      urgency.clear()
      current = await retry(() => renew(current.expiresAt <= clock.now()), {
        clock,
        signal,
        isTransient: (error) => !isFinal(error),
        baseDelayMs: 1_000,
        maxDelayMs: 60_000,
        onRetry: (error) => log.warn({ err: error, expiresAt: current.expiresAt }, 'renewal failed; trying again'),
      })
      obtainedAtMs = clock.elapsedMs()
      log.info({ event: 'certificate.renewed', expiresAt: current.expiresAt }, 'renewed the certificate')
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}

/** When to renew: a random point between 50 % and 80 % of the certificate's life. */
export function renewalTime({ issuedAt, expiresAt }: CertificateLife, random = Math.random): Date {
  const lifeMs = expiresAt.getTime() - issuedAt.getTime()
  return new Date(issuedAt.getTime() + lifeMs * (0.5 + 0.3 * random()))
}
