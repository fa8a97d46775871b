import { randomUUID } from 'node:crypto'
import { refusal, sourceOf } from '@muster/domain'
import type { CallContext } from '@muster/rpc'
import type { Clock } from '@muster/runtime'
import { type RefusedAttempts, tooManyRefused } from './refused-attempts.ts'

/** How many attempts of one source, and of all, may wait for a reservation. */
const MOST_PER_SOURCE = 4_096
const MOST = 16_384
/** How many reservations are asked for at once. */
const BATCH = 64
/** How long an attempt waits while other attempts of its source are under way. */
const WAIT_LIMIT_MS = 20_000
/** Another replica may hold the reservations and does not say when it settles them, so the queue asks Redis this often. */
const LOOK_AGAIN_MS = 50
/** When an attempt that waited too long may come again. */
const RETRY_AFTER_MS = 1_000

interface Waiting {
  readonly id: string
  readonly since: number
  readonly admit: () => void
  readonly refuse: (error: unknown) => void
}

interface Queue {
  readonly waiting: Waiting[]
  /** Ends the pause before the next look. */
  wake: () => void
}

/**
 * Serves attempts whose token value can be guessed. Each attempt reserves a refusal before its value is checked, and returns
 * it unless the attempt is refused. A source therefore checks no more values than its limit allows, however many it sends at
 * once and to however many replicas. While the limit's full number of attempts is under way, the next ones wait: a fleet that
 * joins by a custom token comes in a few at a time.
 */
export class GuessTurns {
  readonly #refusedAttempts: Pick<RefusedAttempts, 'reserve' | 'settle'>
  readonly #clock: Clock
  readonly #queues = new Map<string, Queue>()
  #waiting = 0

  constructor(refusedAttempts: Pick<RefusedAttempts, 'reserve' | 'settle'>, clock: Clock) {
    this.#refusedAttempts = refusedAttempts
    this.#clock = clock
  }

  /** Serves an attempt in its turn. @throws TOO_MANY_REFUSED if its source is over its limit, and every error of `serve` */
  async run<T>(
    { remoteAddress }: Pick<CallContext, 'remoteAddress'>,
    serve: () => Promise<T>,
    isRefusal: (thrown: unknown) => boolean,
  ): Promise<T> {
    const source = sourceOf(remoteAddress)
    const id = await this.#reserve(source)
    let wasRefused = false
    try {
      return await serve()
    } catch (thrown) {
      wasRefused = isRefusal(thrown)
      throw thrown
    } finally {
      await this.#refusedAttempts.settle(source, id, wasRefused)
      this.#queues.get(source)?.wake()
    }
  }

  #reserve(source: string): Promise<string> {
    const queue = this.#queues.get(source)
    if (this.#waiting >= MOST || (queue?.waiting.length ?? 0) >= MOST_PER_SOURCE) throw tooManyWait()
    return new Promise((resolve, reject) => {
      const id = randomUUID()
      const since = this.#clock.now().getTime()
      this.#waiting += 1
      const waiting = { id, since, admit: () => resolve(id), refuse: reject }
      if (queue !== undefined) queue.waiting.push(waiting)
      else void this.#serve(source, [waiting])
    })
  }

  async #serve(source: string, waiting: Waiting[]): Promise<void> {
    const queue: Queue = { waiting, wake: () => {} }
    this.#queues.set(source, queue)
    while (waiting.length > 0) {
      const ids = waiting.slice(0, BATCH).map(({ id }) => id)
      const { granted, waitMs } = await this.#refusedAttempts.reserve(source, ids)
      for (const { admit } of this.#take(waiting, granted)) admit()
      if (waitMs > 0) for (const { refuse } of this.#take(waiting, waiting.length)) refuse(tooManyRefused(waitMs))
      else if (granted === 0) await this.#pause(queue)
    }
    this.#queues.delete(source)
  }

  async #pause(queue: Queue): Promise<void> {
    const givenUpAt = this.#clock.now().getTime() - WAIT_LIMIT_MS
    const late = queue.waiting.filter(({ since }) => since <= givenUpAt).length
    for (const { refuse } of this.#take(queue.waiting, late)) refuse(tooManyWait())
    const woken = new AbortController()
    queue.wake = () => woken.abort()
    // Rejects when it is woken.
    await this.#clock.sleep(LOOK_AGAIN_MS, woken.signal).catch(() => {})
  }

  #take(waiting: Waiting[], count: number): Waiting[] {
    this.#waiting -= Math.min(count, waiting.length)
    return waiting.splice(0, count)
  }
}

function tooManyWait(): Error {
  const message = 'too many attempts from this address are waiting; try again in 1s'
  return refusal('TOO_MANY_REFUSED', message, { retryAfterMs: RETRY_AFTER_MS })
}
