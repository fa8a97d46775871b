import type { registration } from '@muster/contracts'
import type { ServerStreamHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { selectNodes, selectNodesById } from './store/roll-queries.ts'
import { toRoll } from './roll.ts'

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
  return async function* (_request, { signal }) {
    if (signal.aborted) return
    const changes = followChanges(deps, signal)
    const told = new Set<string>()
    yield* snapshot(deps, told)
    for await (const change of changes) yield* change === 'resync' ? snapshot(deps, told) : update(deps, told, change)
  }
}

/** All nodes on the roll, and removals of nodes that the watcher was `told` of and that are no longer on it. */
async function* snapshot(deps: Deps, told: Set<string>): AsyncGenerator<registration.WatchNodesResponse> {
  const unmentioned = new Set(told)
  let after: { hostname: string; id: string } | undefined
  for (;;) {
    const page = await selectNodes(deps.pool, { size: PAGE, after })
    for (const node of await toRoll(deps, page)) {
      told.add(node.id)
      unmentioned.delete(node.id)
      yield nodeEvent(node)
    }
    after = page.at(-1)
    if (page.length < PAGE) break
  }
  // Query these by id: a node that changed its host name meanwhile may have moved from a later page to an earlier one.
  const rest = [...unmentioned]
  for (let i = 0; i < rest.length; i += PAGE) yield* update(deps, told, rest.slice(i, i + PAGE))
  yield { event: { $case: 'snapshotComplete', value: {} } }
}

/** The current state of these nodes. A node that is not on the roll is sent as removed only if the watcher was told of it. */
async function* update(
  deps: Deps,
  told: Set<string>,
  ids: readonly string[],
): AsyncGenerator<registration.WatchNodesResponse> {
  const found = await selectNodesById(deps.pool, ids)
  for (const node of await toRoll(deps, found)) {
    told.add(node.id)
    yield nodeEvent(node)
  }
  const present = new Set(found.map(({ id }) => id))
  for (const nodeId of ids) {
    if (!present.has(nodeId) && told.delete(nodeId)) yield { event: { $case: 'removed', value: { nodeId } } }
  }
}

function nodeEvent(node: registration.Node): registration.WatchNodesResponse {
  return { event: { $case: 'node', value: node } }
}

/** Changed ids in batches. It listens from the call on, so that no change is lost between the snapshot and the changes. */
function followChanges({ presence }: Deps, signal: AbortSignal): AsyncIterable<string[] | 'resync'> {
  const changed = new Set<string>()
  let resync = false
  let wake = () => {}
  const onChanged = (nodeId: string) => {
    changed.add(nodeId)
    wake()
  }
  const onResync = () => {
    resync = true
    wake()
  }
  presence.on('changed', onChanged).on('resync', onResync)
  signal.addEventListener(
    'abort',
    () => {
      presence.off('changed', onChanged).off('resync', onResync)
      wake()
    },
    { once: true },
  )
  return {
    async *[Symbol.asyncIterator]() {
      while (!signal.aborted) {
        if (resync) {
          resync = false
          changed.clear()
          yield 'resync' as const
        } else if (changed.size > 0) {
          const ids = [...changed].slice(0, PAGE)
          ids.forEach((id) => changed.delete(id))
          yield ids
        } else {
          await new Promise<void>((resolve) => (wake = resolve))
        }
      }
    },
  }
}
