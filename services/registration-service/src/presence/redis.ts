import type { Logger } from '@muster/runtime'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { parseRedisUrl, type RedisNode, type RedisPlace } from './redis-url.ts'

const WARN_EVERY_MS = 10_000

/** How a connection to Redis behaves. */
export interface RedisConnectionOptions {
  commandTimeoutMs: number
  onError(error: Error): void
  /** Whether the connection subscribes to its channels again after a reconnection. */
  autoResubscribe?: boolean
}

/** A connection for commands. */
export type RedisClient = Redis | Cluster

/**
 * Opens a connection that never waits for a Redis that is away: a command fails at once while there is no connection, and
 * after `commandTimeoutMs` without an answer. Behind Sentinel, and in a cluster, it follows the primary.
 */
export function openRedis(url: string, options: RedisConnectionOptions): RedisClient {
  const place = parseRedisUrl(url)
  const client = place.kind === 'cluster' ? openCluster(place, options) : openServer(place, options)
  return client.on('error', options.onError)
}

/**
 * Opens a connection for channels. In a cluster, where each node passes on what is published at any, it goes to one of the nodes
 * that `commands` knows, and to another when that is lost.
 */
export function openSubscriber(url: string, commands: RedisClient, options: RedisConnectionOptions): Redis {
  const place = parseRedisUrl(url)
  if (place.kind !== 'cluster') return openServer(place, options).on('error', options.onError)
  let turn = Math.floor(Math.random() * place.nodes.length)
  const next = () => {
    const known = (commands as Cluster).nodes().map(({ options }) => options as RedisNode)
    const nodes = known.length > 0 ? known : place.nodes
    const { host, port } = nodes[(turn += 1) % nodes.length]!
    return { host, port }
  }
  const subscriber = new Redis({ ...optionsOf(options), ...securedBy(place), ...next() })
  // Before the next attempt.
  subscriber.on('close', () => Object.assign(subscriber.options, next()))
  return subscriber.on('error', options.onError)
}

function openServer(place: Exclude<RedisPlace, { kind: 'cluster' }>, options: RedisConnectionOptions): Redis {
  if (place.kind === 'single') return new Redis(place.url, optionsOf(options))
  const { sentinels, name, db, sentinel } = place
  return new Redis({
    ...optionsOf(options),
    ...securedBy(place),
    sentinels,
    name,
    db,
    ...(sentinel.username !== undefined && { sentinelUsername: sentinel.username }),
    ...(sentinel.password !== undefined && { sentinelPassword: sentinel.password }),
    ...(place.tls && { sentinelTLS: {}, enableTLSForSentinelMode: true }),
    sentinelRetryStrategy: retryMs,
    sentinelCommandTimeout: options.commandTimeoutMs,
    updateSentinels: true,
  })
}

function openCluster(place: RedisPlace & { kind: 'cluster' }, options: RedisConnectionOptions): Cluster {
  const { maxRetriesPerRequest, connectTimeout, disconnectTimeout, commandTimeout } = optionsOf(options)
  return new Cluster(place.nodes, {
    enableOfflineQueue: false,
    clusterRetryStrategy: retryMs,
    // About half a second. The next beats come soon.
    maxRedirections: 5,
    slotsRefreshTimeout: 2_000,
    redisOptions: { maxRetriesPerRequest, connectTimeout, disconnectTimeout, commandTimeout, ...securedBy(place) },
    // Certificates are for names, so those that the cluster tells stay as they are.
    ...(place.tls && { dnsLookup: (name, found) => found(null, name) }),
  })
}

function optionsOf(options: RedisConnectionOptions) {
  return {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2_000,
    // No answer is waited for after a disconnection. For a lost connection ioredis waits out this time (2 s by default).
    disconnectTimeout: 100,
    commandTimeout: options.commandTimeoutMs,
    autoResubscribe: options.autoResubscribe ?? true,
    retryStrategy: retryMs,
    // A primary has become a replica; a new connection finds the new one.
    reconnectOnError: ({ message }: Error) => message.startsWith('READONLY'),
  } satisfies RedisOptions
}

function securedBy({ username, password, tls }: Exclude<RedisPlace, { kind: 'single' }>) {
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: {} }),
  }
}

function retryMs(tries: number): number {
  return Math.min(100 * tries, 1_000)
}

/** Returns a function that logs that Redis is away, at most every ten seconds: otherwise each command would log a line. */
export function redisWarning(log: Logger, message: string): (error: unknown) => void {
  let lastAt = Number.NEGATIVE_INFINITY
  return (error) => {
    const now = performance.now()
    if (now - lastAt < WARN_EVERY_MS) return
    lastAt = now
    log.warn({ err: error }, message)
  }
}
