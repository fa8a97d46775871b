import { recordRefused } from '@muster/audit'
import type { registration } from '@muster/contracts'
import { parseNodeId } from '@muster/domain'
import type { UnaryHandler } from '@muster/rpc'
import { clearClone } from '../clones/clone-store.ts'
import type { Deps } from '../deps.ts'
import { noSuchNode } from '../nodes/node-errors.ts'
import { toRoll } from '../nodes/roll/roll.ts'
import { selectNodesById } from '../nodes/store/roll-queries.ts'
import { banChange, parseBan } from './ban-request.ts'
import { banAction, type BanChange, liftBan, placeBan, unbanAction } from './ban-store.ts'

/**
 * Bans a node: its streams end on every replica, it cannot renew, and its key cannot join. It stays on the roll. Safe to
 * repeat: the newest ban counts. @throws notFound if the node is not on the roll
 */
export function banNode(deps: Deps): UnaryHandler<registration.BanNodeRequest, registration.BanNodeResponse> {
  return async (request, context) => {
    const change = banChange(parseNodeId(request.nodeId), context)
    const ban = parseBan(change, request)
    const node = await changeNode(deps, change, banAction('node'), async () => {
      if (!(await placeBan(deps.pool, 'node', ban))) throw noSuchNode(change.id)
    })
    context.log.info({ event: 'node.banned', nodeId: change.id, hostname: node.hostname }, 'a node was banned')
    return { node }
  }
}

/** Lifts the ban of a node, and forgets that it was cloned. Safe to repeat. @throws notFound if the node is not on the roll */
export function unbanNode(deps: Deps): UnaryHandler<registration.UnbanNodeRequest, registration.UnbanNodeResponse> {
  return async (request, context) => {
    const change = banChange(parseNodeId(request.nodeId), context)
    const node = await changeNode(deps, change, unbanAction('node'), async () => {
      await liftBan(deps.pool, 'node', change)
      await clearClone(deps.pool, change)
    })
    return { node }
  }
}

/** Changes the standing of a node, tells every replica, and returns its new entry on the roll. */
async function changeNode(
  deps: Deps,
  { id, actor, remoteAddress }: BanChange,
  action: string,
  change: () => Promise<void>,
): Promise<registration.Node> {
  const changed = await recordRefused(deps.refusals, { action, actor, remoteAddress, nodeId: id }, async () => {
    await change()
    const [stored] = await selectNodesById(deps.pool, [id])
    if (stored === undefined) throw noSuchNode(id)
    return stored
  })
  deps.presence.recheck(id)
  // Other replicas hear of it from Redis; this replica does not depend on Redis.
  await deps.streams.check([id])
  return (await toRoll(deps, [changed]))[0]!
}
