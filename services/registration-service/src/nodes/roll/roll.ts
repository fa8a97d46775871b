import { registration } from '@muster/contracts'
import type { Db } from '@muster/postgres'
import { type Clock, isOlderVersion } from '@muster/runtime'
import type { HeartbeatPace } from '../heartbeat-pace.ts'
import type { StoredNode } from '../store/stored-node.ts'
import type { Presence, PresenceView } from '../../presence/presence.ts'

/** Where the parts of a roll entry come from. */
export interface RollDeps {
  pool: Db
  presence: Presence
  pace: HeartbeatPace
  clock: Clock
  /** The oldest agent that the cluster supports. */
  minimumAgentVersion: string
}

const { NodeStatus } = registration

/** Joins stored nodes and their presence into entries of the roll. */
export async function toRoll(
  { presence, pace, clock, minimumAgentVersion }: RollDeps,
  nodes: readonly StoredNode[],
): Promise<registration.Node[]> {
  const ids = nodes.map(({ id }) => id)
  const view = await presence.view(ids, pace.offlineAfterMs())
  return nodes.map((node) => ({
    ...node,
    status: statusOf(node, view, clock.now()),
    lastSeenAt: latest(view.online.get(node.id), view.silent.get(node.id), node.lastSeenAt),
    outdated: isOlderVersion(node.version, minimumAgentVersion),
  }))
}

/** The one definition of a node's status. */
export function statusOf(node: StoredNode, view: PresenceView, now: Date): registration.NodeStatus {
  if (node.ban !== undefined) return NodeStatus.BANNED
  if (node.clone !== undefined) return NodeStatus.CLONED
  if (view.online.has(node.id)) return NodeStatus.ONLINE
  if (node.certificateExpiresAt <= now) return NodeStatus.EXPIRED
  if (node.firstSeenAt === undefined) return NodeStatus.PENDING
  if (!view.available) return NodeStatus.UNKNOWN
  if (view.tooEarly && !view.silent.has(node.id)) return NodeStatus.UNKNOWN
  return NodeStatus.OFFLINE
}

function latest(...dates: (Date | undefined)[]): Date | undefined {
  const times = dates.filter((date) => date !== undefined).map((date) => date.getTime())
  return times.length === 0 ? undefined : new Date(Math.max(...times))
}
