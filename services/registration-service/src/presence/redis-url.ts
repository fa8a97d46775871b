import { splitAddress } from '@muster/domain'

/** A Redis server, or a Sentinel. */
export interface RedisNode {
  host: string
  port: number
}

/** How to say who we are. */
export interface Credentials {
  username?: string
  password?: string
}

/** Where Redis is, and of which kind. */
export type RedisPlace =
  | { kind: 'single'; url: string }
  | ({ kind: 'sentinel'; sentinels: RedisNode[]; name: string; db: number; sentinel: Credentials } & Secured)
  | ({ kind: 'cluster'; nodes: RedisNode[] } & Secured)

interface Secured extends Credentials {
  tls: boolean
}

const SEVERAL =
  /^(?<scheme>rediss?)\+(?<kind>\w+):\/\/(?:(?<user>[^@/?#]*)@)?(?<hosts>[^@/?#]*)(?<path>\/[^?#]*)?(?:\?(?<query>[^#]*))?$/

/**
 * Reads the address of a Redis: `redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/NAME[/DB]`,
 * `redis+cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT`, the same with `rediss` for TLS, or any form that ioredis knows
 * for a single server. @throws Error that does not repeat the address, since a password may be in it
 */
export function parseRedisUrl(text: string): RedisPlace {
  if (!/^rediss?\+/.test(text)) return { kind: 'single', url: text }
  const { scheme, kind, user, hosts = '', path = '', query } = SEVERAL.exec(text)?.groups ?? {}
  const shared = { tls: scheme === 'rediss', ...credentialsOf(user) }
  const parameters = new URLSearchParams(query)
  if (kind === 'cluster') {
    if (path.replace('/', '') !== '') throw new Error('a cluster of Redis has no databases: nothing follows the hosts')
    return { kind, nodes: nodesOf(hosts, 6_379), ...shared }
  }
  if (kind !== 'sentinel') throw new Error('is not an address such as redis+sentinel://HOST:PORT/NAME')
  const [name = '', db = '0', ...rest] = path.slice(1).split('/').map(decodeURIComponent)
  if (name === '' || rest.length > 0 || !/^\d{1,5}$/.test(db)) {
    throw new Error('after the Sentinels comes the name of their primary, as in redis+sentinel://HOST:PORT/NAME')
  }
  const [username, password] = [parameters.get('sentinel_username'), parameters.get('sentinel_password')]
  const sentinel = { ...(username !== null && { username }), ...(password !== null && { password }) }
  return { kind, sentinels: nodesOf(hosts, 26_379), name, db: Number(db), sentinel, ...shared }
}

/** What keys and channels of a muster cluster begin with. In a cluster of Redis they all are in one slot, as scripts need. */
export function prefixOf(redisUrl: string, clusterName: string): string {
  return parseRedisUrl(redisUrl).kind === 'cluster' ? `muster:{${clusterName}}:` : `muster:${clusterName}:`
}

function credentialsOf(user: string | undefined): Credentials {
  if (user === undefined) return {}
  const [, username = '', password] = /^([^:]*)(?::(.*))?$/.exec(user) ?? []
  return {
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== undefined && { password: decodeURIComponent(password) }),
  }
}

function nodesOf(hosts: string, defaultPort: number): RedisNode[] {
  return hosts.split(',').map((each) => {
    const { host, port = defaultPort } = splitAddress(each)
    if (host === '' || !(port > 0 && port < 65_536)) throw new Error('each host must be HOST:PORT, with commas between')
    return { host, port }
  })
}
