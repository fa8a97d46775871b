import { sourceOf } from '@muster/domain'
import { type Clock, type Logger, systemClock } from '@muster/runtime'
import type pg from 'pg'
import type { AuditEvent } from './record.ts'
import { growRefusals, insertRefusal } from './refusal-rows.ts'

/** Equal refusals within this time of the first are one row. */
const WINDOW_MS = 60_000
const FLUSH_EVERY_MS = 1_000
/** Anyone who reaches the port can be refused. Refusals beyond these limits share one row, so a flood cannot fill the database. */
const MAX_NEW_ROWS_PER_SECOND = 20
const MAX_OPEN_ROWS = 1_000
/** A stranger can name any token. Beyond this limit a stranger's refusals share one row, so that they leave rows to others. */
const MAX_OPEN_ROWS_OF_STRANGER = 20

/** A refusal: what was refused, to whom, and why. */
export type Refusal = Omit<AuditEvent, 'outcome'>

/** A row of refusals, and how far it is written. */
interface Tally {
  readonly key: string
  readonly event: Refusal
  /** The source whose share of rows it counts to; undefined for callers with an identity, and for rows that stand for several sources. */
  readonly stranger: string | undefined
  readonly firstAt: number
  lastAt: number
  count: number
  /** The row's id once it is there, and the count that it has. */
  id: string | undefined
  written: number
  inserting: Promise<void> | undefined
}

/**
 * Writes refusals to the audit and counts each one. The first of its kind becomes a row at once. Equal ones that follow
 * within a minute raise the row's count, once a second. Refusals are equal if they have the same action, caller, address,
 * reason, restriction, token and node. For strangers at a source that has too many rows, the same action and reason are
 * enough. What the database cannot take now is kept and written later.
 */
export class Refusals {
  readonly #pool: pg.Pool
  readonly #log: Logger
  readonly #clock: Clock
  /** The tally that the next equal refusal adds to, by key. */
  readonly #open = new Map<string, Tally>()
  /** The open tallies, and earlier ones that are not written completely. */
  readonly #tallies = new Set<Tally>()
  /** How many tallies each stranger has. */
  readonly #strangers = new Map<string, number>()
  readonly #newRows = { second: 0, count: 0 }
  /** Stops the flushing, while there is something to flush. */
  #stop: AbortController | undefined
  #flushing: Promise<void> | undefined

  constructor(pool: pg.Pool, log: Logger, clock: Clock = systemClock) {
    this.#pool = pool
    this.#log = log
    this.#clock = clock
  }

  /** Records a refusal. Never throws: the caller is refused whether or not it can be recorded. */
  async record(event: Refusal): Promise<void> {
    const now = this.#clock.now().getTime()
    const tally = this.#tallyOf(event, now)
    tally.count += 1
    tally.lastAt = now
    if (this.#stop === undefined) void this.#flushRepeatedly((this.#stop = new AbortController()).signal)
    if (tally.count === 1) await this.#insert(tally)
  }

  /** Writes what was counted. A refusal that comes later starts a new row, so `close` may be called again. */
  async close(): Promise<void> {
    this.#stopFlushing()
    await this.#flushing
    for (const { inserting } of this.#tallies) await inserting
    await this.#flush()
    this.#open.clear()
    this.#tallies.clear()
    this.#strangers.clear()
  }

  #tallyOf(event: Refusal, now: number): Tally {
    const { action, actor, remoteAddress, reason, tokenId, nodeId, details } = event
    const key = JSON.stringify([action, actor, remoteAddress, reason, details?.['restriction'], tokenId, nodeId])
    const equal = this.#openTally(key, now)
    if (equal !== undefined) return equal
    const stranger = actor === 'anonymous' && remoteAddress !== undefined ? sourceOf(remoteAddress) : undefined
    if (stranger !== undefined && (this.#strangers.get(stranger) ?? 0) >= MAX_OPEN_ROWS_OF_STRANGER) {
      const anyToken: Refusal = { action, actor, remoteAddress: stranger, reason, details: { tokens: 'many' } }
      return this.#mergedTally([action, actor, stranger, reason], anyToken, now)
    }
    if (this.#mayAddRow(now)) return this.#newTally(key, event, now, stranger)
    return this.#anySource(event, now)
  }

  /** The row that the refusals of one source share, or the row of all sources when there is no room. */
  #mergedTally(parts: readonly unknown[], event: Refusal, now: number): Tally {
    const key = JSON.stringify(parts)
    return (
      this.#openTally(key, now) ??
      (this.#mayAddRow(now) ? this.#newTally(key, event, now) : this.#anySource(event, now))
    )
  }

  #anySource({ action, actor, reason }: Refusal, now: number): Tally {
    const anyActor = actor === 'anonymous' ? actor : 'many'
    const key = JSON.stringify([action, anyActor, reason])
    const event: Refusal = { action, actor: anyActor, reason, details: { sources: 'many' } }
    return this.#openTally(key, now) ?? this.#newTally(key, event, now)
  }

  #openTally(key: string, now: number): Tally | undefined {
    const tally = this.#open.get(key)
    return tally !== undefined && now - tally.firstAt < WINDOW_MS ? tally : undefined
  }

  #newTally(key: string, event: Refusal, now: number, stranger?: string): Tally {
    const times = { firstAt: now, lastAt: now }
    const made = { key, event, stranger, ...times, count: 0, id: undefined, written: 0, inserting: undefined }
    if (stranger !== undefined) this.#strangers.set(stranger, (this.#strangers.get(stranger) ?? 0) + 1)
    this.#open.set(key, made)
    this.#tallies.add(made)
    return made
  }

  #mayAddRow(now: number): boolean {
    const second = Math.floor(now / 1_000)
    if (second !== this.#newRows.second) Object.assign(this.#newRows, { second, count: 0 })
    if (this.#newRows.count === MAX_NEW_ROWS_PER_SECOND || this.#tallies.size >= MAX_OPEN_ROWS) return false
    this.#newRows.count += 1
    return true
  }

  #insert(tally: Tally): Promise<void> {
    const { event, count, firstAt, lastAt } = tally
    const now = this.#clock.now().getTime()
    const row = { event, count, firstAgoMs: now - firstAt, lastAgoMs: now - lastAt }
    tally.inserting = insertRefusal(this.#pool, row)
      .then(
        (id) => void Object.assign(tally, { id, written: count }),
        (failure: unknown) => this.#warn(failure, event.action),
      )
      .finally(() => (tally.inserting = undefined))
    return tally.inserting
  }

  #flush(): Promise<void> {
    this.#flushing ??= this.#write()
      .catch((failure: unknown) => this.#warn(failure))
      .finally(() => (this.#flushing = undefined))
    return this.#flushing
  }

  async #write(): Promise<void> {
    const idle = [...this.#tallies].filter(({ inserting }) => inserting === undefined)
    const now = this.#clock.now().getTime()
    const grown = idle
      .filter(({ id, count, written }) => id !== undefined && count > written)
      .map((tally) => ({ tally, id: tally.id!, count: tally.count, lastAgoMs: now - tally.lastAt }))
    if (grown.length > 0) {
      const found = await growRefusals(this.#pool, grown)
      // A row that was deleted meanwhile is written again.
      for (const { tally, id, count } of grown) {
        Object.assign(tally, found.has(id) ? { written: count } : { id: undefined, written: 0 })
      }
    }
    for (const tally of idle) {
      if (tally.id === undefined) await this.#insert(tally)
      if (tally.id === undefined) break
      if (now - tally.firstAt >= WINDOW_MS && tally.written === tally.count) this.#forget(tally)
    }
    if (this.#tallies.size === 0) this.#stopFlushing()
  }

  async #flushRepeatedly(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // Rejects when the signal aborts: the loop ends.
      await this.#clock.sleep(FLUSH_EVERY_MS, signal).catch(() => {})
      if (!signal.aborted) await this.#flush()
    }
  }

  #stopFlushing(): void {
    this.#stop?.abort(new Error('nothing to flush'))
    this.#stop = undefined
  }

  #forget(tally: Tally): void {
    this.#tallies.delete(tally)
    if (tally.stranger !== undefined) {
      const left = this.#strangers.get(tally.stranger)! - 1
      if (left > 0) this.#strangers.set(tally.stranger, left)
      else this.#strangers.delete(tally.stranger)
    }
    if (this.#open.get(tally.key) === tally) this.#open.delete(tally.key)
  }

  #warn(failure: unknown, action?: string): void {
    this.#log.warn({ err: failure, action }, 'could not record a refusal; it is counted, and written when it can be')
  }
}
