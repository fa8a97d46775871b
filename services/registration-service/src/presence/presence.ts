import { EventEmitter } from 'node:events'
import { isNodeId } from '@muster/domain'
import type { Logger } from '@muster/runtime'
import type { Redis, Result } from 'ioredis'
import { BEAT, LISTENING, SWEEP } from './presence-scripts.ts'
import { prefixOf } from './redis-url.ts'
import { openRedis, openSubscriber, type RedisClient, redisWarning } from './redis.ts'

declare module 'ioredis' {
  interface RedisCommander<Context> {
    musterBeat(keyCount: number, ...keysAndArgs: (string | number)[]): Result<string[], Context>
    musterSweep(
      keyCount: number,
      ...keysAndArgs: (string | number)[]
    ): Result<[alive: number, listeningMs: number, moved: number], Context>
    musterListening(epoch: string): Result<number, Context>
  }
}

/** What Redis knows about nodes now. */
export interface PresenceView {
  /** False if Redis does not answer; presence is then unknown. */
  available: boolean
  /** True if Redis has received beats for too short a time to call a node offline. */
  tooEarly: boolean
  /** The last beats of nodes that are alive. */
  online: ReadonlyMap<string, Date>
  /** The last beats of silent nodes, as far as Postgres may not have them yet. */
  silent: ReadonlyMap<string, Date>
}

/** Where presence is kept. */
export interface PresenceOptions {
  redisUrl: string
  clusterName: string
  log: Logger
}

/** What a replica tells the others about a stream of a node: it has begun, or has proved to be alive. */
export interface StreamNews {
  nodeId: string
  streamId: string
  remoteAddress: string
  news: 'begun' | 'alive'
}

/** Beats that come within this time share one command, across all streams. */
const BATCH_MS = 20
const MAX_BATCH = 1_000
const SWEEP_LIMIT = 500
/** Several sweeps. */
const LEAST_HOLD_MS = 2_000
/** Put before news of a stream on the channel. */
const STREAM = 'stream:'
/** Put before the id of a node on the channel that may have been removed or banned: whether it may stay is to be checked. */
const RECHECK = 'removed:'

/**
 * Which nodes are alive: the one place that knows the layout in Redis. Everything here may be lost at any time; the next
 * beats restore it. No method waits for a Redis that is away, and `beat` never throws.
 *
 * Keys, each under `muster:<cluster>:`, or `muster:{<cluster>}:` in a cluster of Redis —
 * presence:<node id>  string: last beat (ms), TTL = the node's offline limit
 * alive               sorted set: node id by last beat (ms)
 * gone                sorted set: the same for nodes that went offline, until Postgres has it
 * epoch               string: since when (ms) this Redis receives beats; it expires when no replica has reached it for a while
 */
export class Presence extends EventEmitter<{
  changed: [nodeId: string]
  recheck: [nodeId: string]
  stream: [StreamNews]
  resync: []
}> {
  readonly #redis: RedisClient
  readonly #subscriber: Redis
  readonly #prefix: string
  readonly #channel: string
  readonly #warn: (error: unknown) => void
  #waiting = new Map<string, number>()
  #toAnnounce = new Set<string>()
  /** The times that the last drainGone handed over. */
  #kept = new Map<string, number>()
  #flushTimer: NodeJS.Timeout | undefined
  /** Resolves when the first connection to Redis is there, or has failed. */
  readonly #firstAttempt: Promise<void>
  #tooEarly = false
  /** In a cluster: the last sweep failed. What was then published may be lost, while the subscriber's own node lives on. */
  #isLost = false
  /** Redis receives beats as long as some replica reaches it this often. In a longer time, a node that beats may turn silent. */
  #holdMs = 10_000

  constructor({ redisUrl, clusterName, log }: PresenceOptions) {
    super()
    this.setMaxListeners(0)
    this.#warn = redisWarning(log, 'Redis is not usable; nodes show as unknown until it is')
    this.#prefix = prefixOf(redisUrl, clusterName)
    this.#channel = `${this.#prefix}changed`
    const options = { commandTimeoutMs: 2_000, onError: this.#warn }
    this.#redis = openRedis(redisUrl, options)
    this.#redis.defineCommand('musterBeat', { lua: BEAT })
    this.#redis.defineCommand('musterSweep', { lua: SWEEP })
    this.#redis.defineCommand('musterListening', { lua: LISTENING, numberOfKeys: 1 })
    this.#firstAttempt = new Promise((resolve) => {
      for (const event of ['ready', 'error', 'close']) this.#redis.once(event, resolve)
    })
    this.#subscriber = openSubscriber(redisUrl, this.#redis, { ...options, autoResubscribe: false })
    this.#subscriber.on('ready', () => {
      // Events during the outage are lost, so followers start over.
      this.#subscriber.subscribe(this.#channel).then(
        () => this.emit('resync'),
        (error: Error) => this.#warn(error),
      )
    })
    this.#subscriber.on('message', (_channel, message) => {
      if (message.startsWith(STREAM)) return this.#hearOfStream(message)
      const mayHaveToLeave = message.startsWith(RECHECK)
      const nodeId = mayHaveToLeave ? message.slice(RECHECK.length) : message
      if (!isNodeId(nodeId)) return
      if (mayHaveToLeave) {
        this.#waiting.delete(nodeId)
        this.emit('recheck', nodeId)
      }
      this.emit('changed', nodeId)
    })
  }

  /** Records a beat. The node counts as alive for `ttlMs` from the moment at which Redis receives it. */
  beat(nodeId: string, ttlMs: number): void {
    this.#waiting.set(nodeId, ttlMs)
    if (this.#waiting.size >= MAX_BATCH) this.#flush()
    else this.#flushTimer ??= setTimeout(() => this.#flush(), BATCH_MS)
  }

  #flush(): void {
    clearTimeout(this.#flushTimer)
    this.#flushTimer = undefined
    const batch = [...this.#waiting]
    this.#waiting = new Map()
    const announced = [...this.#toAnnounce]
    this.#toAnnounce = new Set()
    if (announced.length > 0) {
      const pipeline = this.#redis.pipeline()
      for (const id of announced) pipeline.publish(this.#channel, id)
      pipeline.exec().catch((error: Error) => this.#warn(error))
    }
    if (batch.length === 0) return
    const keys = batch.map(([id]) => this.#presenceKey(id))
    this.#redis
      .musterBeat(
        keys.length + 2,
        this.#key('alive'),
        this.#key('epoch'),
        ...keys,
        this.#channel,
        this.#holdMs,
        ...batch.flat(),
      )
      .catch((error: Error) => this.#warn(error))
  }

  /** Tells the followers on every replica, a moment later and in a batch, that a node's entry on the roll has changed. */
  announce(nodeId: string): void {
    this.#toAnnounce.add(nodeId)
    this.#flushTimer ??= setTimeout(() => this.#flush(), BATCH_MS)
  }

  /** Deletes the presence of a removed node and tells every replica at once. */
  forget(nodeId: string): void {
    this.#waiting.delete(nodeId)
    this.#redis
      .pipeline()
      .del(this.#presenceKey(nodeId))
      .zrem(this.#key('alive'), nodeId)
      .zrem(this.#key('gone'), nodeId)
      .publish(this.#channel, RECHECK + nodeId)
      .exec()
      .catch((error: Error) => this.#warn(error))
  }

  /** Tells every replica, this one first and also while Redis is away, about a stream. */
  tellStream(told: StreamNews): void {
    this.emit('stream', told)
    const message = STREAM + [told.nodeId, told.streamId, told.news, told.remoteAddress].join(' ')
    this.#redis.publish(this.#channel, message).catch((error: Error) => this.#warn(error))
  }

  /** News of this replica comes back from Redis, and changes nothing the second time. */
  #hearOfStream(message: string): void {
    const [nodeId = '', streamId = '', news = '', remoteAddress = ''] = message.slice(STREAM.length).split(' ')
    if (isNodeId(nodeId) && (news === 'begun' || news === 'alive')) {
      this.emit('stream', { nodeId, streamId, news, remoteAddress })
    }
  }

  /** Tells every replica at once to check whether a node may stay: it was banned, or let in again. */
  recheck(nodeId: string): void {
    this.#waiting.delete(nodeId)
    this.#redis.publish(this.#channel, RECHECK + nodeId).catch((error: Error) => this.#warn(error))
  }

  /** The presence of these nodes. No node is offline before Redis has received beats for `offlineAfterMs`. */
  async view(nodeIds: readonly string[], offlineAfterMs: number): Promise<PresenceView> {
    if (nodeIds.length === 0) return { available: true, tooEarly: false, online: new Map(), silent: new Map() }
    try {
      const [beats, listeningMs, alive, gone] = await Promise.all([
        this.#redis.mget(nodeIds.map((id) => this.#presenceKey(id))),
        this.#redis.musterListening(this.#key('epoch')),
        this.#redis.zmscore(this.#key('alive'), ...nodeIds),
        this.#redis.zmscore(this.#key('gone'), ...nodeIds),
      ])
      return {
        available: true,
        tooEarly: listeningMs < offlineAfterMs,
        online: datesOf(nodeIds, beats),
        silent: new Map([...datesOf(nodeIds, gone), ...datesOf(nodeIds, alive)]),
      }
    } catch (error) {
      this.#warn(error)
      return { available: false, tooEarly: true, online: new Map(), silent: new Map() }
    }
  }

  /**
   * Notices nodes that fell silent, however many; every replica gets each through `changed`. Once Redis has received beats long enough to call
   * anyone offline, followers start over, since until then they were told `unknown`.
   * @returns how many nodes are alive
   */
  async sweep(offlineAfterMs: number): Promise<number> {
    // At the start, the first sweep waits until the connection is there, or has failed.
    await this.#firstAttempt
    const keys = [this.#key('alive'), this.#key('gone'), this.#key('epoch')]
    // A look a little before the limit costs nothing: the presence key decides.
    const silence = Math.floor(offlineAfterMs * 0.9)
    this.#holdMs = Math.max(Math.floor(offlineAfterMs / 2), LEAST_HOLD_MS)
    const args = [this.#channel, this.#presenceKey(''), silence, SWEEP_LIMIT, this.#holdMs, offlineAfterMs]
    const sweepOnce = () =>
      this.#redis.musterSweep(keys.length, ...keys, ...args).catch((error: Error) => {
        this.#isLost = this.#redis.isCluster
        throw error
      })
    let [alive, listeningMs, moved] = await sweepOnce()
    while (moved === SWEEP_LIMIT) [alive, listeningMs, moved] = await sweepOnce()
    const isEarly = listeningMs < offlineAfterMs
    const startOver = this.#isLost || (this.#tooEarly && !isEarly)
    this.#isLost = false
    this.#tooEarly = isEarly
    if (startOver) this.emit('resync')
    return alive
  }

  /**
   * Hands over when silent nodes were last seen, however many. What `keep` has stored stays here until the next call: a caller
   * that read a node's row just before that still finds the time here. Safe on all replicas at once.
   */
  async drainGone(keep: (seen: { id: string; lastSeenAt: Date }[]) => Promise<void>): Promise<void> {
    const settled = this.#kept
    this.#kept = new Map()
    for (let from = 0; ; from += SWEEP_LIMIT) {
      const end = String(from + SWEEP_LIMIT - 1)
      const entries = await this.#redis.zrange(this.#key('gone'), from, end, 'WITHSCORES')
      const fresh = new Map<string, number>()
      for (let i = 0; i < entries.length; i += 2) {
        const [id, time] = [entries[i]!, Number(entries[i + 1])]
        if (settled.get(id) !== time) fresh.set(id, time)
      }
      if (fresh.size > 0) {
        const seen = [...fresh].map(([id, time]) => ({ id, lastSeenAt: new Date(time) }))
        await keep(seen.filter(({ id }) => isNodeId(id)))
      }
      for (const [id, time] of fresh) this.#kept.set(id, time)
      if (entries.length < 2 * SWEEP_LIMIT) break
    }
    const ids = [...settled.keys()].filter((id) => !this.#kept.has(id))
    for (let i = 0; i < ids.length; i += SWEEP_LIMIT)
      await this.#redis.zrem(this.#key('gone'), ...ids.slice(i, i + SWEEP_LIMIT))
  }

  close(): void {
    clearTimeout(this.#flushTimer)
    this.#redis.disconnect()
    this.#subscriber.disconnect()
  }

  #key(name: string): string {
    return this.#prefix + name
  }

  #presenceKey(nodeId: string): string {
    return `${this.#prefix}presence:${nodeId}`
  }
}

function datesOf(ids: readonly string[], values: readonly (string | null)[]): Map<string, Date> {
  const dates = new Map<string, Date>()
  ids.forEach((id, i) => {
    const value = values[i]
    if (value !== null && value !== undefined) dates.set(id, new Date(Number(value)))
  })
  return dates
}
