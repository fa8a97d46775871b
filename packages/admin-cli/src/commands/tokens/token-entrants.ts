import { audit, type token } from '@muster/contracts'
import { PAGE_SIZE, pagesOf } from '../../cluster/all-pages.ts'
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

/** The newest who joined with a token and are still listed. */
export interface Entrants {
  /** At most as many as asked for. */
  newest: Entrant[]
  hasMore: boolean
}

/** The newest `limit` nodes, bots or people who joined with a token and are still listed; removed nodes are not. */
export async function newestEntrants(made: token.Token, cluster: Cluster, limit: number): Promise<Entrants> {
  if (tokenTypeOf(made) === 'signup') return { newest: await people(made, cluster), hasMore: false }
  const pages = made.roles.includes('bot') ? botPages(made.id, cluster) : nodePages(made.id, cluster, limit)
  const newest: Entrant[] = []
  for await (const page of pages) {
    newest.push(...page)
    if (newest.length > limit) break
  }
  return { newest: newest.slice(0, limit), hasMore: newest.length > limit }
}

function nodePages(tokenId: string, { registration }: Cluster, limit: number): AsyncGenerator<Entrant[]> {
  // One extra node shows whether there are more.
  const pageSize = Math.min(limit + 1, PAGE_SIZE)
  return pagesOf(async (pageToken) => {
    const page = await registration.listNodes({ ...EVERY_NODE, pageSize, pageToken, tokenId })
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

/** A bot token is spent once, so these are few. */
function botPages(tokenId: string, { bots }: Cluster): AsyncGenerator<Entrant[]> {
  return pagesOf(async (pageToken) => {
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
