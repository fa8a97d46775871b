import type { AppError } from '@muster/domain'
import type { Logger } from '@muster/runtime'
import type pg from 'pg'
import { banned } from '../bans/ban-errors.ts'
import { unknownNode } from './node-errors.ts'
import { selectStanding } from './store/roll-queries.ts'
import type { Presence } from '../presence/presence.ts'

/** A query asks for at most this many nodes. */
const BATCH = 1_000

/**
 * The open heartbeat streams of this replica. It ends the streams of nodes that are not on the roll or are banned: when
 * a change of their standing is announced or found, when Redis returns (announcements may have been missed), and at each check
 * of all streams.
 */
export class OpenStreams {
  readonly #streams = new Map<string, Set<(error: AppError) => void>>()
  readonly #pool: pg.Pool
  readonly #presence: Presence
  readonly #log: Logger
  readonly #onRecheck = (nodeId: string) => void this.check([nodeId])
  readonly #onResync = () => void this.check([...this.#streams.keys()])

  constructor({ pool, presence, log }: { pool: pg.Pool; presence: Presence; log: Logger }) {
    this.#pool = pool
    this.#presence = presence
    this.#log = log
    presence.on('recheck', this.#onRecheck).on('resync', this.#onResync)
  }

  /**
   * Adds a node's stream. Call it before the roll is asked about the node, so that no removal and no ban is missed in
   * between. `end` is told why.
   * @returns a function that removes the stream
   */
  add(nodeId: string, end: (error: AppError) => void): () => void {
    const streams = this.#streams.get(nodeId) ?? new Set()
    this.#streams.set(nodeId, streams.add(end))
    return () => {
      streams.delete(end)
      if (streams.size === 0 && this.#streams.get(nodeId) === streams) this.#streams.delete(nodeId)
    }
  }

  /** How many nodes have a stream here. */
  get size(): number {
    return this.#streams.size
  }

  /** The same as `recheck`, but a failure is a warning: `checkAll` repeats it. */
  async check(nodeIds: readonly string[]): Promise<void> {
    await this.recheck(nodeIds).catch((error: unknown) =>
      this.#log.warn({ err: error }, 'could not check which nodes may stay; the next check of all tries again'),
    )
  }

  /** Ends the streams of all nodes that are not on the roll or are banned. Rejects if the roll cannot be read; safe to repeat. */
  checkAll(): Promise<void> {
    return this.recheck([...this.#streams.keys()])
  }

  /** Ends the streams of those of these nodes that are not on the roll or are banned. Rejects if the roll cannot be read; safe to repeat. */
  async recheck(nodeIds: readonly string[]): Promise<void> {
    const held = nodeIds.filter((id) => this.#streams.has(id))
    for (let i = 0; i < held.length; i += BATCH) {
      const batch = held.slice(i, i + BATCH)
      const standing = await selectStanding(this.#pool, batch)
      for (const id of batch) {
        const ban = standing.get(id)
        const error = !standing.has(id) ? unknownNode() : ban && banned('node', ban)
        if (error !== undefined) for (const end of this.#streams.get(id) ?? []) end(error)
      }
    }
  }

  close(): void {
    this.#presence.off('recheck', this.#onRecheck).off('resync', this.#onResync)
  }
}
