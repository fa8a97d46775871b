import { type Clock, type LineLog, retry } from '@muster/runtime'

/** A certificate's life. */
export interface Renewed {
  issuedAt: Date
  expiresAt: Date
}

export interface RenewalOptions {
  first: Renewed
  /** Gets the next certificate; `expired` says that the old one no longer opens a door. Tried until it succeeds. */
  renew: (expired: boolean) => Promise<Renewed>
  /** Failures that trying again cannot mend end the renewal: they are thrown. */
  isFinal?: (error: unknown) => boolean
  /** Asked now and then while waiting: true renews early. */
  isUrgent?: () => boolean
  clock: Clock
  log: LineLog
  signal: AbortSignal
  random?: () => number
}

const LONGEST_SLEEP_MS = 60_000

/**
 * Renews a certificate again and again, each time at a random 50-80 % of its life, so that members who joined together
 * do not renew together (SwarmKit does the same). Returns when the signal aborts.
 */
export async function renewForever(options: RenewalOptions): Promise<void> {
  const {
    first,
    renew,
    isFinal = () => false,
    isUrgent = () => false,
    clock,
    log,
    signal,
    random = Math.random,
  } = options
  let current = first
  while (!signal.aborted) {
    try {
      const dueAt = renewalTime(current, random)
      while (clock.now() < dueAt && !isUrgent()) {
        const restMs = dueAt.getTime() - clock.now().getTime()
        // In pieces, so that a machine that was suspended notices soon after it wakes, and an urgent renewal begins at a
        // time of its own on each member.
        await clock.sleep(Math.min(restMs, LONGEST_SLEEP_MS * (0.5 + random() / 2)), signal)
      }
      current = await retry(() => renew(current.expiresAt <= clock.now()), {
        clock,
        signal,
        isTransient: (error) => !isFinal(error),
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
