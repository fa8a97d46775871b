import { recordRefused } from '@muster/audit'
import type { registration } from '@muster/contracts'
import { parseNodeId } from '@muster/domain'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { noSuchNode } from './node-errors.ts'
import { takeOffRoll } from './store/removal.ts'
import { toRoll } from './roll/roll.ts'

/**
 * Removes a node from the roll. Its stream ends on the replica that holds it, its renewal is refused, and watchers learn of
 * it. Its certificate stays valid for foreign programs until it expires; here it opens nothing.
 */
export function removeNode(deps: Deps): UnaryHandler<registration.RemoveNodeRequest, registration.RemoveNodeResponse> {
  return async (request, { peer, remoteAddress, log }) => {
    const { pool, presence, refusals, streams } = deps
    const id = parseNodeId(request.nodeId)
    const actor = memberOf(peer).spiffeId
    const attempt = { action: 'node.remove', actor, remoteAddress, nodeId: id }
    const removed = await recordRefused(refusals, attempt, async () => {
      const taken = await takeOffRoll(pool, { id, actor, remoteAddress })
      if (taken === undefined) throw noSuchNode(id)
      return taken
    })
    const [node] = await toRoll(deps, [removed])
    presence.forget(id)
    // Other replicas hear of it from Redis; this replica does not depend on Redis.
    await streams.check([id])
    log.info({ event: 'node.removed', nodeId: id, hostname: removed.hostname }, 'a node was removed')
    return { node }
  }
}
