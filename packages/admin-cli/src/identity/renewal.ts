import type { users } from '@muster/contracts'
import { AppError, formatDuration, messageOf } from '@muster/domain'
import type { ClientOf, TlsIdentity } from '@muster/rpc'
import { systemClock } from '@muster/runtime'
import { isRefused, renewForever, tlsMaterial, writeIdentity } from '@muster/identity'
import { comeBack, whyNotBack } from './come-back.ts'
import { renewedBy } from './grant.ts'
import { canProlong, mustComeBack, type OperatorIdentity } from './operator-identity.ts'

/** What the renewal of an operator's certificate needs. */
export interface RenewalOptions {
  operator: OperatorIdentity
  /** Gets each new certificate. */
  tls: TlsIdentity
  client: Pick<ClientOf<users.UserServiceService>, 'renewUser'>
  now: () => Date
  warn: (line: string) => void
  /** Aborts when the program should end. */
  signal: AbortSignal
}

/** How much longer a command may take because its certificate is being renewed. */
const PATIENCE_MS = 2_000
const SILENT = { info: () => {}, warn: () => {} }

/**
 * Renews a person's certificate beside a command's own work, from half of its life on, for as long as the command runs.
 * A failure never breaks the command, and is said only when little life is left. Several programs may do so at once: the
 * key stays the same, and each file is replaced as a whole.
 */
export class Renewal {
  readonly #options: RenewalOptions
  readonly #stop = new AbortController()
  readonly #ended: Promise<void>
  #operator: OperatorIdentity
  #underway: Promise<void> | undefined
  #hasWarned = false

  constructor(options: RenewalOptions) {
    this.#options = options
    this.#operator = options.operator
    this.#ended = this.#keepRenewing()
  }

  /** Asks for a certificate at once, in case more roles have been given. @returns true if the roles are others now */
  async roles(): Promise<boolean> {
    const before = this.#operator.roles
    if (this.#operator.sessionExpiresAt === undefined) return false
    await this.#renew().catch(() => {})
    return this.#operator.roles.join() !== before.join()
  }

  /**
   * Gets a certificate by the key if the one at hand has ended. @returns false if it has not, or if there is no session
   * @throws CliError that says why not
   */
  async comeBack(): Promise<boolean> {
    const isNeeded = () => mustComeBack(this.#operator, this.#options.now())
    if (!isNeeded()) return false
    await this.#renew().catch((error: unknown) => {
      // One that could not be kept is good for this program.
      if (isNeeded()) throw whyNotBack(error, this.#operator)
    })
    return true
  }

  /** Waits a little for a renewal that is under way, and ends the work. */
  async close(): Promise<void> {
    const limit = new AbortController()
    if (this.#underway !== undefined && !this.#options.signal.aborted) {
      await Promise.race([this.#underway, systemClock.sleep(PATIENCE_MS, limit.signal)]).catch(() => {})
      limit.abort()
    }
    this.#stop.abort()
    await this.#ended
  }

  async #keepRenewing(): Promise<void> {
    if (!canProlong(this.#operator)) return
    const life = () => ({ issuedAt: this.#operator.issuedAt, expiresAt: this.#operator.expiresAt })
    try {
      await renewForever({
        first: life(),
        renew: async () => {
          await this.#renew()
          if (!canProlong(this.#operator)) this.#stop.abort()
          return life()
        },
        isFinal: (error) => !(error instanceof AppError) || isRefused(error),
        // At half of its life and not later: nobody knows how long this program will run.
        random: () => 0,
        clock: { now: this.#options.now, sleep: systemClock.sleep },
        log: SILENT,
        signal: this.#stop.signal,
      })
    } catch {
      // A refusal; the command's own calls meet the same and say so.
    }
  }

  #renew(): Promise<void> {
    this.#underway ??= this.#renewOnce().finally(() => (this.#underway = undefined))
    return this.#underway
  }

  async #renewOnce(): Promise<void> {
    const { client, now, tls } = this.#options
    try {
      const signal = AbortSignal.any([this.#stop.signal, this.#options.signal])
      const grant = mustComeBack(this.#operator, now())
        ? await comeBack(this.#operator, { now, signal })
        : await client.renewUser({}, { signal })
      this.#operator = renewedBy(grant, this.#operator, now())
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
    const isRefused = error instanceof AppError && error.kind === 'unauthenticated'
    const hasLittleLeft = leftMs < (expiresAt.getTime() - issuedAt.getTime()) / 4
    if (this.#hasWarned || isRefused || !hasLittleLeft || this.#options.signal.aborted) return
    this.#hasWarned = true
    const end = leftMs > 0 ? `ends in ${formatDuration(Math.floor(leftMs / 60_000) * 60)}` : 'has ended'
    const why = this.#stop.signal.aborted ? 'registration-service did not answer in time' : messageOf(error)
    this.#options.warn(`your certificate ${end} and could not be renewed: ${why}`)
  }
}
