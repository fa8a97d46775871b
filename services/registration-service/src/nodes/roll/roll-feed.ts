import type { registration } from '@muster/contracts'
import { type RollDeps, toRoll } from './roll.ts'
import { selectNodesById } from '../store/roll-queries.ts'

const BATCH = 500

/** Nodes that changed, by id; undefined for a node that is not on the roll. */
export type RollChanges = ReadonlyMap<string, registration.Node | undefined>

/** Receives what a feed has to say. It must not throw. */
export interface RollFollower {
  /** The new state of some nodes. */
  onChanges(changes: RollChanges): void
  /** Changes may have been missed. */
  onResync(): void
  /** The changes of some nodes could not be read: the follower has to start over. */
  onError(error: unknown): void
}

/**
 * The changes of the roll for all watchers of this replica. Each batch of changed nodes is looked up once, however many
 * watchers there are, and one look-up starts after the other has ended, so states of a node arrive in their order.
 */
export class RollFeed {
  readonly #deps: RollDeps
  readonly #followers = new Set<RollFollower>()
  readonly #changed = new Set<string>()
  #isLookingUp = false
  /** How often changes may have been missed. A look-up from before that may be older than what a follower reads after it. */
  #resyncs = 0

  constructor(deps: RollDeps) {
    this.#deps = deps
  }

  /** Tells this follower of every change from now on. @returns a function that ends that */
  follow(follower: RollFollower): () => void {
    const { presence } = this.#deps
    if (this.#followers.size === 0) presence.on('changed', this.#onChanged).on('resync', this.#onResync)
    this.#followers.add(follower)
    return () => {
      if (!this.#followers.delete(follower) || this.#followers.size > 0) return
      presence.off('changed', this.#onChanged).off('resync', this.#onResync)
      this.#changed.clear()
    }
  }

  readonly #onChanged = (nodeId: string): void => {
    this.#changed.add(nodeId)
    if (!this.#isLookingUp) void this.#lookUp()
  }

  readonly #onResync = (): void => {
    this.#changed.clear()
    this.#resyncs += 1
    for (const follower of this.#followers) follower.onResync()
  }

  async #lookUp(): Promise<void> {
    this.#isLookingUp = true
    // Changes that arrive together are one batch.
    await Promise.resolve()
    while (this.#changed.size > 0) {
      const ids = [...this.#changed].slice(0, BATCH)
      for (const id of ids) this.#changed.delete(id)
      const resyncs = this.#resyncs
      try {
        const changes = await readChanges(this.#deps, ids)
        if (resyncs !== this.#resyncs) continue
        for (const follower of this.#followers) follower.onChanges(changes)
      } catch (error) {
        for (const follower of this.#followers) follower.onError(error)
      }
    }
    this.#isLookingUp = false
  }
}

/** The state of these nodes now. */
export async function readChanges(deps: RollDeps, ids: readonly string[]): Promise<RollChanges> {
  const nodes = await toRoll(deps, await selectNodesById(deps.pool, ids))
  const found = new Map(nodes.map((node) => [node.id, node]))
  return new Map(ids.map((id) => [id, found.get(id)]))
}
