import type { registration } from '@muster/contracts'
import type { ServerStreamHandler } from '@muster/rpc'
import type { Deps } from './deps.ts'
import { selectNodes, selectNodesById } from './nodes.ts'
import { toRoll } from './roll.ts'

const PAGE = 500

/**
 * The roll, then each change to it. After Redis was away, when changes may have been missed, the snapshot comes again.
 * Changes to one node that follow each other quickly may arrive as one: what is sent is how it is now.
 */
export function watchNodes(
  deps: Deps,
): ServerStreamHandler<registration.WatchNodesRequest, registration.WatchNodesResponse> {
  return async function* (_request, { signal }) {
    if (signal.aborted) return
    const changes = followChanges(deps, signal)
    yield* snapshot(deps)
    for await (const change of changes) {
      if (change === 'resync') yield* snapshot(deps)
      else yield* (await toRoll(deps, await selectNodesById(deps.pool, change))).map(nodeEvent)
    }
  }
}

async function* snapshot(deps: Deps): AsyncGenerator<registration.WatchNodesResponse> {
  let after: { hostname: string; id: string } | undefined
  for (;;) {
    const page = await selectNodes(deps.pool, { size: PAGE, after })
    yield* (await toRoll(deps, page)).map(nodeEvent)
    after = page.at(-1)
    if (page.length < PAGE) break
  }
  yield { event: { $case: 'snapshotComplete', value: {} } }
}

function nodeEvent(node: registration.Node): registration.WatchNodesResponse {
  return { event: { $case: 'node', value: node } }
}

/** Changed ids in batches, listened to from the call on, so that nothing falls between the snapshot and the changes. */
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
