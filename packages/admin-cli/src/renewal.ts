import type { users } from '@muster/contracts'
import { AppError, formatDuration, isTransient, messageOf } from '@muster/domain'
import { renewForever, type ClientOf, type TlsIdentity, type TlsMaterial } from '@muster/rpc'
import { systemClock, writeIdentity, type IdentityFolder } from '@muster/runtime'
import { CliError } from './errors.ts'
import { identityFrom } from './grant.ts'
import { describeIdentity, type OperatorIdentity } from './operator-identity.ts'

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
/** A certificate that ends this close to the session's end cannot be prolonged. */
const SESSION_MARGIN_MS = 1_000
const SILENT = { info: () => {}, warn: () => {} }
/** Besides what is transient by nature. */
const MAY_PASS: readonly string[] = ['internal', 'resourceExhausted']

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
    if (!this.#canProlong()) return
    const life = () => ({ issuedAt: this.#operator.issuedAt, expiresAt: this.#operator.expiresAt })
    try {
      await renewForever({
        first: life(),
        renew: async () => {
          await this.#renew()
          if (!this.#canProlong()) this.#stop.abort()
          return life()
        },
        isFinal: (error) => !(isTransient(error) || (error instanceof AppError && MAY_PASS.includes(error.kind))),
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

  #canProlong(): boolean {
    const { sessionExpiresAt, expiresAt } = this.#operator
    return sessionExpiresAt !== undefined && sessionExpiresAt.getTime() - expiresAt.getTime() > SESSION_MARGIN_MS
  }

  #renew(): Promise<void> {
    this.#underway ??= this.#renewOnce().finally(() => (this.#underway = undefined))
    return this.#underway
  }

  async #renewOnce(): Promise<void> {
    const { keyPem, profile, realDir } = this.#operator
    try {
      const signal = AbortSignal.any([this.#stop.signal, this.#options.signal])
      const grant = await this.#options.client.renewUser({}, { signal })
      const renewed = identityFrom(grant, { keyPem, user: profile.user ?? '', address: profile.addresses.registration })
      if (renewed.profile.clusterName !== profile.clusterName) throw new CliError('the answer is of another cluster')
      this.#operator = { ...this.#operator, ...renewed, ...describeIdentity(realDir, renewed) }
      this.#options.tls.update(tlsMaterial(renewed))
      await writeIdentity(realDir, renewed)
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
    const left = formatDuration(Math.floor(leftMs / 60_000) * 60)
    const why = this.#stop.signal.aborted ? 'registration-service did not answer in time' : messageOf(error)
    this.#options.warn(`your certificate ends in ${left} and could not be renewed: ${why}`)
  }
}

/** An identity as TLS wants it. */
export function tlsMaterial({ keyPem, chainPem, bundlePem }: Omit<IdentityFolder<unknown>, 'profile'>): TlsMaterial {
  return { own: { keyPem, chainPem }, hostRootsPem: bundlePem, userRootsPem: '' }
}
