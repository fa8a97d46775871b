import { audit, type token } from '@muster/contracts'
import { allPages, PAGE_SIZE } from '../../cluster/all-pages.ts'
import { botStateOf } from '../bots/json.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { EVERY_NODE } from '../nodes/filter.ts'
import { nodeStatusOf } from '../nodes/json.ts'
import { tokenTypeOf } from './json.ts'

/** A node, bot or person that joined with a token. */
export interface Entrant {
  kind: 'node' | 'bot' | 'person'
  /** Node id, bot instance id, or a person's name. */
  id: string
  /** Host name; a bot's or person's name. */
  name: string
  /** The host of a bot; for others the same as the name. */
  hostname: string
  address: string
  at: Date | undefined
  /** The current status or state; empty for people. */
  status: string
}

/** Everyone who joined with a token and is still listed; removed nodes are not. */
export async function entrantsOf(made: token.Token, cluster: Cluster): Promise<Entrant[]> {
  if (tokenTypeOf(made) === 'signup') return people(made, cluster)
  return made.roles.includes('bot') ? botsOf(made.id, cluster) : nodesOf(made.id, cluster)
}

function nodesOf(tokenId: string, { registration }: Cluster): Promise<Entrant[]> {
  return allPages(async (pageToken) => {
    const page = await registration.listNodes({ ...EVERY_NODE, pageSize: PAGE_SIZE, pageToken, tokenId })
    const items = page.nodes.map((node): Entrant => ({
      kind: 'node',
      id: node.id,
      name: node.hostname,
      hostname: node.hostname,
      address: node.remoteAddress,
      at: node.joinedAt,
      status: nodeStatusOf(node),
    }))
    return { items, next: page.nextPageToken }
  })
}

function botsOf(tokenId: string, { bots }: Cluster): Promise<Entrant[]> {
  return allPages(async (pageToken) => {
    const page = await bots.listBots({ pageSize: PAGE_SIZE, pageToken, tokenId })
    const items = page.bots.map((bot): Entrant => ({
      kind: 'bot',
      id: bot.id,
      name: bot.name,
      hostname: bot.hostname,
      address: bot.remoteAddress,
      at: bot.joinedAt,
      status: botStateOf(bot),
    }))
    return { items, next: page.nextPageToken }
  })
}

/** The list of people has only the last signup; the audit log shows the signup with this token and its address. */
async function people({ id, userName, uses }: token.Token, cluster: Cluster): Promise<Entrant[]> {
  if (uses === 0) return []
  const { events } = await cluster.audit['registration-service'].listEvents({
    pageSize: 1,
    pageToken: '',
    filter: {
      since: undefined,
      action: 'user.signup',
      actor: '',
      tokenId: id,
      nodeId: '',
      outcome: audit.Outcome.OK,
    },
  })
  const signup = events[0]
  const person: Entrant = {
    kind: 'person',
    id: userName,
    name: userName,
    hostname: '',
    address: signup?.remoteAddress ?? '',
    at: signup?.at,
    status: '',
  }
  return [person]
}
