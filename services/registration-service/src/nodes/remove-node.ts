import { recordRefused } from '@muster/audit'
import type { registration } from '@muster/contracts'
import { parseNodeId, refusal } from '@muster/domain'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { takeOffRoll } from './store/removal.ts'
import { toRoll } from './roll.ts'

/**
 * Takes a node off the roll. Its stream ends on whichever replica holds it, its renewal is refused, and watchers are told.
 * A certificate that it has stays what it is until it ends; it opens nothing here.
 */
export function removeNode(deps: Deps): UnaryHandler<registration.RemoveNodeRequest, registration.RemoveNodeResponse> {
  return async (request, { peer, remoteAddress, log }) => {
    const { pool, presence, refusals, streams } = deps
    const id = parseNodeId(request.nodeId)
    const actor = memberOf(peer).spiffeId
    const attempt = { action: 'node.remove', actor, remoteAddress, nodeId: id }
    const removed = await recordRefused(refusals, attempt, async () => {
      const taken = await takeOffRoll(pool, { id, actor, remoteAddress })
      if (taken === undefined) throw refusal('NODE_NOT_FOUND', `no node ${id} is on the roll`)
      return taken
    })
    const [node] = await toRoll(deps, [removed])
    presence.forget(id)
    // Other replicas hear of it from Redis; here it takes effect without.
    await streams.check([id])
    log.info({ event: 'node.removed', nodeId: id, hostname: removed.hostname }, 'a node was removed')
    return { node }
  }
}
