import { type AppError, sourceOf } from '@muster/domain'
import type { CallContext } from '@muster/rpc'
import { type Clock, systemClock } from '@muster/runtime'
import { GuessTurns } from './guess-turns.ts'
import { type RefusedAttempts, tooManyRefused } from './refused-attempts.ts'
import { SlowLane } from './slow-lane.ts'

/** A source stays in its slow lane for this long after a refusal beyond its limit. */
const LANE_MS = 5_000
const MOST_LANES = 4_096
/** How long the answer to an attempt that nobody looked at is held back, and how many at once. A flood waits for its answers. */
const HOLD_MS = 1_000
const MOST_HELD = 4_096

interface Lane {
  readonly lane: SlowLane
  untilMs: number
}

/** An attempt, and whether a stranger could guess what it shows. */
export interface LimitedAttempt {
  context: Pick<CallContext, 'remoteAddress' | 'connection' | 'signal'>
  isGuess: boolean
}

/**
 * What attempts to come in may cost, per source. Guesses have turns, by `GuessTurns`. All other attempts are served at once
 * until their source is over its limit of refusals, and then in a `SlowLane` of this replica.
 */
export class EntryLimits {
  readonly #refusedAttempts: RefusedAttempts
  readonly #clock: Clock
  readonly #guesses: GuessTurns
  readonly #lanes = new Map<string, Lane>()
  #held = 0

  constructor(refusedAttempts: RefusedAttempts, clock: Clock = systemClock) {
    this.#refusedAttempts = refusedAttempts
    this.#clock = clock
    this.#guesses = new GuessTurns(refusedAttempts, clock)
  }

  /** Serves an attempt within the limits. @throws TOO_MANY_REFUSED if it was not looked at, and whatever `serve` throws */
  run<T>(
    { context, isGuess }: LimitedAttempt,
    serve: () => Promise<T>,
    isRefusal: (thrown: unknown) => boolean,
  ): Promise<T> {
    if (isGuess) return this.#guesses.run(context, serve, isRefusal)
    const lane = this.#laneOf(sourceOf(context.remoteAddress))
    return lane === undefined ? serve() : lane.run(context, serve)
  }

  /** Counts the refusal of an attempt. @returns what to answer: the refusal, or TOO_MANY_REFUSED beyond the limit */
  async answer({ context, isGuess }: LimitedAttempt, refused: AppError): Promise<AppError> {
    if (refused.reason === 'TOO_MANY_REFUSED') {
      await this.#hold(context.signal)
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

  async #hold(signal: AbortSignal): Promise<void> {
    if (this.#held >= MOST_HELD) return
    this.#held += 1
    // Rejects when the caller is gone.
    await this.#clock.sleep(HOLD_MS, signal).catch(() => {})
    this.#held -= 1
  }
}
