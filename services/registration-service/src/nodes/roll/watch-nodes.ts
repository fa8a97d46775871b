import type { registration } from '@muster/contracts'
import type { ServerStreamHandler } from '@muster/rpc'
import type { Deps } from '../../deps.ts'
import { toRoll } from './roll.ts'
import { readChanges, type RollChanges, RollFeed } from './roll-feed.ts'
import { type NodePlace, placeOf, selectNodes } from '../store/roll-queries.ts'

const PAGE = 500

/**
 * Streams the roll, then each change to it. When Redis returns, changes may have been missed, so the snapshot is sent again;
 * before it is complete, nodes that have gone meanwhile are sent as removed. Within one call, a watcher only has to apply
 * what it receives. A watcher that calls again starts over, and forgets the nodes that the first snapshot does not name.
 * Quick changes to one node may arrive as one message with its current state.
 */
export function watchNodes(
  deps: Deps,
): ServerStreamHandler<registration.WatchNodesRequest, registration.WatchNodesResponse> {
  const feed = new RollFeed(deps)
  return async function* (_request, { signal }) {
    if (signal.aborted) return
    const changes = followChanges(feed, signal)
    const told = new Set<string>()
    yield* snapshot(deps, told)
    for await (const change of changes) yield* change === 'resync' ? snapshot(deps, told) : update(told, change)
  }
}

/** All nodes on the roll, and removals of nodes that the watcher was `told` of and that are no longer on it. */
async function* snapshot(deps: Deps, told: Set<string>): AsyncGenerator<registration.WatchNodesResponse> {
  const unmentioned = new Set(told)
  let after: NodePlace | undefined
  for (;;) {
    const page = await selectNodes(deps.pool, { size: PAGE, after })
    for (const node of await toRoll(deps, page)) {
      told.add(node.id)
      unmentioned.delete(node.id)
      yield nodeEvent(node)
    }
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) break
    after = placeOf(last, {})
  }
  // Query these by id: a node that changed its host name meanwhile may have moved from a later page to an earlier one.
  const rest = [...unmentioned]
  for (let i = 0; i < rest.length; i += PAGE) yield* update(told, await readChanges(deps, rest.slice(i, i + PAGE)))
  yield { event: { $case: 'snapshotComplete', value: {} } }
}

/** The current state of these nodes. A node that is not on the roll is sent as removed only if the watcher was told of it. */
function* update(told: Set<string>, changes: RollChanges): Generator<registration.WatchNodesResponse> {
  for (const [nodeId, node] of changes) {
    if (node !== undefined) {
      told.add(nodeId)
      yield nodeEvent(node)
    } else if (told.delete(nodeId)) yield { event: { $case: 'removed', value: { nodeId } } }
  }
}

function nodeEvent(node: registration.Node): registration.WatchNodesResponse {
  return { event: { $case: 'node', value: node } }
}

/**
 * The changes of the roll from the call on, so that none is lost between the snapshot and the changes. A watcher that
 * reads slowly gets the last state of each node.
 */
function followChanges(feed: RollFeed, signal: AbortSignal): AsyncIterable<RollChanges | 'resync'> {
  let changes = new Map<string, registration.Node | undefined>()
  let needsResync = false
  let failure: { error: unknown } | undefined
  let wake = () => {}
  const unfollow = feed.follow({
    onChanges(changed) {
      for (const [id, node] of changed) changes.set(id, node)
      wake()
    },
    onResync() {
      needsResync = true
      wake()
    },
    onError(error) {
      failure = { error }
      wake()
    },
  })
  signal.addEventListener(
    'abort',
    () => {
      unfollow()
      wake()
    },
    { once: true },
  )
  return {
    async *[Symbol.asyncIterator]() {
      while (!signal.aborted) {
        if (failure !== undefined) throw failure.error
        if (needsResync) {
          needsResync = false
          changes = new Map()
          yield 'resync' as const
        } else if (changes.size > 0) {
          const next = changes
          changes = new Map()
          yield next
        } else {
          await new Promise<void>((resolve) => (wake = resolve))
        }
      }
    },
  }
}
