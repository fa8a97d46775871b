import type { users } from '@muster/contracts'
import { AppError, formatDuration, messageOf } from '@muster/domain'
import type { ClientOf, ProxyFor, TlsIdentity } from '@muster/rpc'
import { systemClock } from '@muster/runtime'
import { isRefused, renewForever, tlsMaterial, writeIdentity } from '@muster/identity'
import { requestReplacement, explainNoReplacement } from './replace-expired.ts'
import { renewedBy } from './grant.ts'
import { canRenew, needsReplacement, type OperatorIdentity } from './operator-identity.ts'

/** What the renewal of an operator's certificate needs. */
export interface RenewalOptions {
  operator: OperatorIdentity
  /** Receives each new certificate. */
  tls: TlsIdentity
  client: Pick<ClientOf<users.UserServiceService>, 'renewUser'>
  now: () => Date
  warn: (line: string) => void
  /** Aborts when the program should end. */
  signal: AbortSignal
  /** The proxy for an address, if there is one. */
  proxyFor: ProxyFor
}

/** How long a command waits at its end for a renewal in progress. */
const CLOSE_LIMIT_MS = 2_000
const SILENT = { info: () => {}, warn: () => {} }

/**
 * Renews a person's certificate while a command runs, from half of its life on. A failure never breaks the command, and
 * causes a warning only when the certificate expires soon. Several programs may renew at once: the key stays the same, and
 * each file is replaced atomically.
 */
export class Renewal {
  readonly #options: RenewalOptions
  readonly #stop = new AbortController()
  readonly #ended: Promise<void>
  #operator: OperatorIdentity
  #inProgress: Promise<void> | undefined
  #hasWarned = false

  constructor(options: RenewalOptions) {
    this.#options = options
    this.#operator = options.operator
    this.#ended = this.#keepRenewing()
  }

  /** Renews at once, in case an admin has added roles. @returns true if the roles are different now */
  async refreshRoles(): Promise<boolean> {
    const before = this.#operator.roles
    if (this.#operator.sessionExpiresAt === undefined) return false
    await this.#renew().catch(() => {})
    return this.#operator.roles.join() !== before.join()
  }

  /**
   * Requests a new certificate if the current one has expired. @returns false if it has not, or if there is no session
   * @throws CliError that says why not
   */
  async replaceExpired(): Promise<boolean> {
    const isNeeded = () => needsReplacement(this.#operator, this.#options.now())
    if (!isNeeded()) return false
    await this.#renew().catch((error: unknown) => {
      // A certificate that could not be stored still works for this program.
      if (isNeeded()) throw explainNoReplacement(error, this.#operator)
    })
    return true
  }

  /** Waits briefly for a renewal in progress, then stops renewing. */
  async close(): Promise<void> {
    const limit = new AbortController()
    if (this.#inProgress !== undefined && !this.#options.signal.aborted) {
      await Promise.race([this.#inProgress, systemClock.sleep(CLOSE_LIMIT_MS, limit.signal)]).catch(() => {})
      limit.abort()
    }
    this.#stop.abort()
    await this.#ended
  }

  async #keepRenewing(): Promise<void> {
    // A certificate that is new, and has expired by the clock of this machine, would be renewed without end.
    if (!canRenew(this.#operator) || needsReplacement(this.#operator, this.#options.now())) return
    const life = () => ({ issuedAt: this.#operator.issuedAt, expiresAt: this.#operator.expiresAt })
    try {
      await renewForever({
        first: life(),
        renew: async () => {
          await this.#renew()
          if (!canRenew(this.#operator)) this.#stop.abort()
          return life()
        },
        isFinal: (error) => !(error instanceof AppError) || isRefused(error),
        // At half of its life and not later: this program may run only briefly.
        random: () => 0,
        clock: { ...systemClock, now: this.#options.now },
        log: SILENT,
        signal: this.#stop.signal,
      })
    } catch {
      // A refusal. The command's own calls get the same answer and report it.
    }
  }

  #renew(): Promise<void> {
    this.#inProgress ??= this.#renewOnce().finally(() => (this.#inProgress = undefined))
    return this.#inProgress
  }

  async #renewOnce(): Promise<void> {
    const { client, now, tls, proxyFor } = this.#options
    try {
      const signal = AbortSignal.any([this.#stop.signal, this.#options.signal])
      const grant = needsReplacement(this.#operator, now())
        ? await requestReplacement(this.#operator, { signal, proxyFor })
        : await client.renewUser({}, { signal })
      this.#operator = renewedBy(grant, this.#operator)
      tls.update(tlsMaterial(this.#operator))
      await writeIdentity(this.#operator.realDir, this.#operator)
    } catch (error) {
      this.#warn(error)
      throw error
    }
  }

  #warn(error: unknown): void {
    const { issuedAt, expiresAt } = this.#operator
    const leftMs = expiresAt.getTime() - this.#options.now().getTime()
    const isReported = error instanceof AppError && error.kind === 'unauthenticated'
    const hasLittleLeft = leftMs < (expiresAt.getTime() - issuedAt.getTime()) / 4
    if (this.#hasWarned || isReported || !hasLittleLeft || this.#options.signal.aborted) return
    this.#hasWarned = true
    const end = leftMs > 0 ? `expires in ${formatDuration(Math.floor(leftMs / 60_000) * 60)}` : 'has expired'
    const why = this.#stop.signal.aborted ? 'registration-service did not answer in time' : messageOf(error)
    this.#options.warn(`your certificate ${end} and could not be renewed: ${why}`)
  }
}
