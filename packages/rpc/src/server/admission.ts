import { AppError, BREAK_GLASS, isTransient } from '@muster/domain'
import type { Clock } from '@muster/runtime'
import { assertAllowed, type Callers } from './callers.ts'
import type { Member } from '../tls/peer.ts'
import type { CallContext } from '../route.ts'
import type { ServedCall } from './calls/served-call.ts'
import { StreamLimits } from './stream-limits.ts'

/**
 * Returns the roles that a person has now, whatever their certificate says. Rejects with `unauthenticated` if the person is
 * no longer a user of the cluster.
 */
export type CurrentRoles = (person: Member, context: CallContext) => Promise<readonly string[]>

/** Called for each call that its caller may not make. `rpc` is its name, such as `CreateToken`. */
export type OnRefused = (rpc: string, error: AppError, context: CallContext) => void

/** An open stream ends within about this time after its caller was removed or lost the role for it. */
const RECHECK_MS = 500
/** The streams of a person share a question that is no older than this. */
const SHARED_MS = 250
/** Close a stream when its caller's roles could not be rechecked for this long: the caller may have been removed. */
const UNASKED_LIMIT_MS = 30_000

/** What the admission of a server needs. */
export interface AdmissionOptions {
  /** Undefined for a server that serves no people. */
  currentRoles?: CurrentRoles
  onRefused?: OnRefused
  /** Called with the connection of a person who is no longer a user of the cluster, or is locked out. */
  onUnknownPerson?: (connection: string) => void
  clock: Clock
}

/** Admits calls: the certificate must allow the call, and for people the current roll must allow it too. */
export class Admission {
  readonly #currentRoles: CurrentRoles | undefined
  readonly #onRefused: OnRefused | undefined
  readonly #onUnknownPerson: ((connection: string) => void) | undefined
  readonly #clock: Clock
  readonly #streams = new StreamLimits()
  /** What the roll was asked a moment ago for open streams, oldest first. */
  readonly #asked = new Map<string, { askedAtMs: number; roles: Promise<readonly string[]> }>()

  constructor({ currentRoles, onRefused, onUnknownPerson, clock }: AdmissionOptions) {
    this.#currentRoles = currentRoles
    this.#onRefused = onRefused
    this.#onUnknownPerson = onUnknownPerson
    this.#clock = clock
  }

  /**
   * Admits the call, or throws or rejects. Returns a promise for people only. The check is repeated while a stream is open, and
   * ends the stream when it fails.
   */
  admit(callers: Callers | undefined, context: ServedCall): void | Promise<void> {
    try {
      return this.#admit(callers, context)?.catch((error: unknown) => this.#refuse(error, context))
    } catch (error) {
      this.#refuse(error, context)
    }
  }

  #admit(callers: Callers | undefined, context: ServedCall): Promise<void> | undefined {
    assertAllowed(callers, context.peer)
    if (context.isStream) this.#streams.enter(context)
    const person = this.#personBehind(callers, context)
    if (person === undefined) return undefined
    return this.#check(callers!, person, context).then(() => {
      const recheck = () => this.#recheck(callers!, person, context)
      if (context.isStream) void repeat(recheck, context, this.#clock)
    })
  }

  #refuse(error: unknown, context: ServedCall): never {
    if (error instanceof AppError && !isTransient(error)) this.#onRefused?.(context.rpc, error, context)
    throw error
  }

  #personBehind(callers: Callers | undefined, { peer }: ServedCall): Member | undefined {
    if (this.#currentRoles === undefined || callers?.who !== 'operator') return undefined
    return peer.kind === 'user' && !peer.roles.includes(BREAK_GLASS) ? peer : undefined
  }

  async #check(callers: Callers, person: Member, context: ServedCall): Promise<void> {
    assertAllowed(callers, { ...person, roles: await this.#rolesOf(person, context) })
  }

  /** As `#check`, with an answer that another stream of this person got a moment ago. */
  async #recheck(callers: Callers, person: Member, context: ServedCall): Promise<void> {
    const nowMs = this.#clock.now().getTime()
    for (const [key, { askedAtMs }] of this.#asked) {
      if (Math.abs(nowMs - askedAtMs) < SHARED_MS) break
      this.#asked.delete(key)
    }
    const key = `${person.spiffeId} ${person.serial}`
    const asked = this.#asked.get(key) ?? { askedAtMs: nowMs, roles: this.#rolesOf(person, context) }
    this.#asked.set(key, asked)
    assertAllowed(callers, { ...person, roles: await asked.roles })
  }

  async #rolesOf(person: Member, context: ServedCall): Promise<readonly string[]> {
    try {
      return await this.#currentRoles!(person, context)
    } catch (error) {
      if (error instanceof AppError && !isTransient(error)) this.#onUnknownPerson?.(context.connection)
      throw error
    }
  }
}

async function repeat(check: () => Promise<void>, context: ServedCall, clock: Clock): Promise<void> {
  const { signal } = context
  let askedAt = clock.now().getTime()
  while (!signal.aborted) {
    // Rejects when the signal aborts, which ends the loop.
    await clock.sleep(RECHECK_MS, signal).catch(() => {})
    if (signal.aborted) return
    try {
      await check()
      askedAt = clock.now().getTime()
    } catch (error) {
      if (error instanceof AppError && !isTransient(error)) context.abort(error)
      else if (clock.now().getTime() - askedAt > UNASKED_LIMIT_MS) context.abort(cannotAsk())
    }
  }
}

function cannotAsk(): AppError {
  return new AppError('unavailable', 'your access could not be rechecked; try again')
}
