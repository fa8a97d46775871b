import type { Logger } from '@muster/runtime'
import type pg from 'pg'
import { selectKnownIds } from './store/roll-queries.ts'
import type { Presence } from '../presence/presence.ts'

/** A query asks for at most this many nodes. */
const BATCH = 1_000

/**
 * The open heartbeat streams of this replica. It ends the streams of nodes that are not on the roll: when a removal is
 * announced, when Redis returns (announcements may have been missed), and at each check of all streams.
 */
export class OpenStreams {
  readonly #streams = new Map<string, Set<() => void>>()
  readonly #pool: pg.Pool
  readonly #presence: Presence
  readonly #log: Logger
  readonly #onRemoved = (nodeId: string) => void this.check([nodeId])
  readonly #onResync = () => void this.check([...this.#streams.keys()])

  constructor({ pool, presence, log }: { pool: pg.Pool; presence: Presence; log: Logger }) {
    this.#pool = pool
    this.#presence = presence
    this.#log = log
    presence.on('removed', this.#onRemoved).on('resync', this.#onResync)
  }

  /**
   * Adds a node's stream. Call it before the roll is asked about the node, so that no removal is missed in between.
   * @returns a function that removes the stream
   */
  add(nodeId: string, end: () => void): () => void {
    const streams = this.#streams.get(nodeId) ?? new Set()
    this.#streams.set(nodeId, streams.add(end))
    return () => {
      streams.delete(end)
      if (streams.size === 0 && this.#streams.get(nodeId) === streams) this.#streams.delete(nodeId)
    }
  }

  /** Ends the streams of those of these nodes that are not on the roll. A failure is a warning: `checkAll` repeats it. */
  async check(nodeIds: readonly string[]): Promise<void> {
    await this.#endRemoved(nodeIds).catch((error: unknown) =>
      this.#log.warn({ err: error }, 'could not check which nodes are on the roll; the next check of all tries again'),
    )
  }

  /** Ends the streams of all nodes that are not on the roll. Rejects if the roll cannot be read; safe to repeat. */
  checkAll(): Promise<void> {
    return this.#endRemoved([...this.#streams.keys()])
  }

  async #endRemoved(nodeIds: readonly string[]): Promise<void> {
    const held = nodeIds.filter((id) => this.#streams.has(id))
    for (let i = 0; i < held.length; i += BATCH) {
      const batch = held.slice(i, i + BATCH)
      const known = await selectKnownIds(this.#pool, batch)
      for (const id of batch) {
        if (!known.has(id)) for (const end of this.#streams.get(id) ?? []) end()
      }
    }
  }

  close(): void {
    this.#presence.off('removed', this.#onRemoved).off('resync', this.#onResync)
  }
}
