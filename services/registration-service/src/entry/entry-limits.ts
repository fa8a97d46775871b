import { type AppError, sourceOf } from '@muster/domain'
import type { CallContext } from '@muster/rpc'
import { type Clock, systemClock } from '@muster/runtime'
import { GuessTurns } from './guess-turns.ts'
import { type RefusedAttempts, tooManyRefused } from './refused-attempts.ts'
import { SlowLane } from './slow-lane.ts'
import { SourceTurns } from './source-turns.ts'

/** A source stays in its slow lane for this long after a refusal beyond its limit. */
const LANE_MS = 5_000
const MOST_LANES = 4_096
/**
 * The answer to a rejected, unread attempt is delayed, so that a flood waits for its answers. The delay grows with the number
 * of delayed answers of the source, and stays below the time that an agent waits for an answer.
 */
const HOLD_MS = { least: 1_000, perHeld: 20, most: 8_000 }
/** How many answers are delayed at once, over all sources. */
const MOST_HELD = 16_384

interface Lane {
  readonly lane: SlowLane
  untilMs: number
}

/** An attempt, and whether its token value can be guessed. */
export interface LimitedAttempt {
  context: Pick<CallContext, 'remoteAddress' | 'connection' | 'signal'>
  isGuess: boolean
}

/**
 * Bounds what attempts to come in cost, per source. Guesses take turns (`GuessTurns`). Other attempts are served many at once
 * (`SourceTurns`) until their source is over its limit of refusals, and then in a `SlowLane` of this replica.
 */
export class EntryLimits {
  readonly #refusedAttempts: RefusedAttempts
  readonly #clock: Clock
  readonly #guesses: GuessTurns
  readonly #turns = new SourceTurns()
  readonly #lanes = new Map<string, Lane>()
  /** How many answers of each source are delayed. */
  readonly #held = new Map<string, number>()
  #heldInAll = 0

  constructor(refusedAttempts: RefusedAttempts, clock: Clock = systemClock) {
    this.#refusedAttempts = refusedAttempts
    this.#clock = clock
    this.#guesses = new GuessTurns(refusedAttempts, clock)
  }

  /** Serves an attempt within the limits. @throws TOO_MANY_REFUSED if `serve` was not called, and every error of `serve` */
  async run<T>(
    { context, isGuess }: LimitedAttempt,
    serve: () => Promise<T>,
    isRefusal: (thrown: unknown) => boolean,
  ): Promise<T> {
    if (isGuess) return this.#guesses.run(context, serve, isRefusal)
    const source = sourceOf(context.remoteAddress)
    const lane = this.#laneOf(source)
    if (lane !== undefined) return lane.run(context, serve)
    const served = await this.#turns.run(source, async () => {
      // Others of this source may have been refused while this one waited.
      return this.#laneOf(source) === undefined ? { result: await serve() } : undefined
    })
    return served === undefined ? this.run({ context, isGuess }, serve, isRefusal) : served.result
  }

  /** Counts the refusal of an attempt. @returns what to answer: the refusal, or TOO_MANY_REFUSED beyond the limit */
  async answer({ context, isGuess }: LimitedAttempt, refused: AppError): Promise<AppError> {
    if (refused.reason === 'TOO_MANY_REFUSED') {
      await this.#hold(context)
      return refused
    }
    // The refusal of a guess was counted with its reservation.
    if (isGuess) return refused
    const waitMs = await this.#refusedAttempts.hit(context.remoteAddress)
    if (waitMs === 0) return refused
    this.#slowDown(sourceOf(context.remoteAddress), waitMs)
    return tooManyRefused(waitMs)
  }

  #laneOf(source: string): SlowLane | undefined {
    const found = this.#lanes.get(source)
    if (found === undefined || this.#clock.now().getTime() < found.untilMs) return found?.lane
    this.#lanes.delete(source)
    return undefined
  }

  #slowDown(source: string, waitMs: number): void {
    const { lane } = this.#lanes.get(source) ?? { lane: new SlowLane(this.#clock) }
    // The newest is last, so the first one is the one to forget.
    this.#lanes.delete(source)
    this.#lanes.set(source, { lane, untilMs: this.#clock.now().getTime() + Math.max(waitMs, LANE_MS) })
    if (this.#lanes.size > MOST_LANES) this.#lanes.delete(this.#lanes.keys().next().value!)
  }

  async #hold({ remoteAddress, signal }: LimitedAttempt['context']): Promise<void> {
    if (this.#heldInAll >= MOST_HELD) return
    const source = sourceOf(remoteAddress)
    const held = (this.#held.get(source) ?? 0) + 1
    this.#held.set(source, held)
    this.#heldInAll += 1
    const holdMs = Math.min(Math.max(held * HOLD_MS.perHeld, HOLD_MS.least), HOLD_MS.most)
    // Rejects when the caller is gone.
    await this.#clock.sleep(holdMs, signal).catch(() => {})
    this.#heldInAll -= 1
    const left = this.#held.get(source)! - 1
    if (left > 0) this.#held.set(source, left)
    else this.#held.delete(source)
  }
}
