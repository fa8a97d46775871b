import { randomUUID } from 'node:crypto'
import type { Presence, StreamNews } from '../presence/presence.ts'

/** An older stream that sends this many beats after a newer one has begun is alive; one that broke sends what was on its way. */
const BEATS_OF_A_LIVE_STREAM = 3

/** Two streams of one node that are alive at the same time. */
export interface Twins {
  nodeId: string
  /** SPIFFE id of the node. */
  actor: string
  remoteAddresses: [string, string]
}

/** A stream as its handler sees it. */
export interface WatchedStream {
  /** Call it once the hello is accepted. */
  greeted(): void
  /** Call it for each beat. */
  beat(intervalMs: number): void
  leave(): void
}

interface Stream extends Omit<Twins, 'remoteAddresses'> {
  id: string
  remoteAddress: string
  /** Whether a newer stream of the same node has begun. */
  hasRival: boolean
  beats: number
  /** Of the last beat that counted. */
  countedAt: number
  /** The address of another stream that has proved to be alive since. */
  other: string | undefined
  isReported: boolean
}

/**
 * Finds nodes with two live streams, on whichever replicas: a node has one, so two are a copy of its credentials. An agent
 * that reconnects leaves a stream behind that sends no beats, or in one burst those that were on their way. So beats count
 * only if half an interval lies between them, and both streams must send some after the newer one began.
 */
export class TwinStreams {
  readonly #streams = new Map<string, Set<Stream>>()
  readonly #presence: Presence
  readonly #onTwins: (twins: Twins) => void
  readonly #now: () => number
  readonly #onNews = (news: StreamNews) => this.#hear(news)

  constructor(options: { presence: Presence; onTwins: (twins: Twins) => void; now?: () => number }) {
    this.#presence = options.presence
    this.#onTwins = options.onTwins
    this.#now = options.now ?? (() => performance.now())
    this.#presence.on('stream', this.#onNews)
  }

  /** Watches a stream of a node. */
  add(node: { nodeId: string; actor: string; remoteAddress: string }): WatchedStream {
    const stream: Stream = {
      ...node,
      id: randomUUID(),
      hasRival: false,
      beats: 0,
      countedAt: -Infinity,
      other: undefined,
      isReported: false,
    }
    const streams = this.#streams.get(node.nodeId) ?? new Set()
    this.#streams.set(node.nodeId, streams.add(stream))
    return {
      greeted: () => this.#tell(stream, 'begun'),
      beat: (intervalMs) => this.#beat(stream, intervalMs),
      leave: () => {
        streams.delete(stream)
        if (streams.size === 0 && this.#streams.get(node.nodeId) === streams) this.#streams.delete(node.nodeId)
      },
    }
  }

  #beat(stream: Stream, intervalMs: number): void {
    if (!stream.hasRival && stream.other === undefined) return
    const now = this.#now()
    if (now - stream.countedAt < intervalMs / 2) return
    stream.countedAt = now
    if (stream.other !== undefined && !stream.isReported) {
      stream.isReported = true
      const { nodeId, actor, remoteAddress } = stream
      this.#onTwins({ nodeId, actor, remoteAddresses: [remoteAddress, stream.other] })
    }
    if (stream.hasRival && ++stream.beats === BEATS_OF_A_LIVE_STREAM) this.#tell(stream, 'alive')
  }

  #tell({ nodeId, id, remoteAddress }: Stream, news: StreamNews['news']): void {
    this.#presence.tellStream({ nodeId, streamId: id, remoteAddress, news })
  }

  #hear({ nodeId, streamId, remoteAddress, news }: StreamNews): void {
    for (const stream of this.#streams.get(nodeId) ?? []) {
      if (stream.id === streamId) continue
      if (news === 'begun') stream.hasRival = true
      else {
        stream.other ??= remoteAddress
        // What is on its way already does not count.
        stream.countedAt = this.#now()
      }
    }
  }

  close(): void {
    this.#presence.off('stream', this.#onNews)
  }
}
