import { registration } from '@muster/contracts'
import { messageOf } from '@muster/domain'
import { connect, type Connection, TlsIdentity } from '@muster/rpc'
import { setTimeout as delay } from 'node:timers/promises'
import type { JoinedNode } from '../../bench/load-connections.ts'
import type { Cluster } from '../../harness/cluster.ts'
import { waitFor } from '../../harness/waiting.ts'
import { joinAsAgent, joinFromElsewhere } from './newcomers.ts'

/** One attempt of a newcomer to join. */
export interface Join {
  startedAt: number
  durationMs: number
  /** The reason why the newcomer did not join. */
  error?: string
}

/** The effects on honest callers since the last reading. */
export interface Felt {
  joins: Join[]
  /** Streams of members that the server ended. */
  streamsCut: number
}

/** Members with open streams, from 127.0.0.1, and newcomers that join all the time, from there and from an address of their own. */
export interface Honest {
  /** The effects since the last call; newcomers whose join is in progress are included. */
  felt(): Promise<Felt>
  /** One more node that has joined. */
  joinOne(): Promise<JoinedNode>
  stop(): Promise<void>
}

const MEMBERS = 4
const BEAT_EVERY_MS = 500
const JOIN_EVERY_MS = 200

/** Starts honest callers of one registration-service. Resolves once every member's stream is open. */
export async function startHonest(cluster: Cluster, replica: number): Promise<Honest> {
  const address = cluster.services['registration-service'][replica]!.address
  const token = (await cluster.operator.makeToken({ ttlSeconds: 3600 })).value
  const { caPins, clusterName } = cluster.profile
  const stopping = new AbortController()
  const members: Connection[] = []
  let streamsCut = 0
  let joins: Join[] = []

  const join = () => joinAsAgent({ address, caPins, token })
  let newcomers = 0
  const beat = async (node: JoinedNode, index: number) => {
    const { keyPem, chainPem: own } = node
    const identity = new TlsIdentity({
      own: { keyPem, chainPem: own },
      hostRootsPem: cluster.operator.hostRootsPem,
      userRootsPem: '',
    })
    const connection = connect({ addresses: [address], identity, service: 'registration-service', clusterName })
    members.push(connection)
    let answers = 0
    const stream = connection.duplex(registration.RegistrationServiceService.heartbeat, () => (answers += 1))
    const end = () => {
      if (!stopping.signal.aborted) streamsCut += 1
    }
    stream.ended.then(end, end)
    stream.send(hello(`honest-${index}`))
    await waitFor('the answer to a hello', () => answers > 0)
    const timer = setInterval(() => stream.send(BEAT), BEAT_EVERY_MS)
    stopping.signal.addEventListener('abort', () => {
      clearInterval(timer)
      stream.cancel()
    })
  }
  const watch = async () => {
    try {
      for await (const _ of cluster.operator.watch(stopping.signal, replica)) continue
      throw new Error('ended')
    } catch {
      if (!stopping.signal.aborted) streamsCut += 1
    }
  }
  for (let i = 0; i < MEMBERS; i++) await beat(await join(), i)
  void watch()

  const underWay = new Set<Promise<void>>()
  const newcomer = async () => {
    const startedAt = performance.now()
    const isElsewhere = newcomers++ % 2 === 1
    const joined = isElsewhere ? joinFromElsewhere({ address, caPins, token }) : join()
    const error = await joined.then(() => undefined, messageOf)
    joins.push({ startedAt, durationMs: performance.now() - startedAt, ...(error !== undefined && { error }) })
  }
  const arrivals = setInterval(() => {
    const one: Promise<void> = newcomer().finally(() => underWay.delete(one))
    underWay.add(one)
  }, JOIN_EVERY_MS)

  return {
    joinOne: join,
    async felt() {
      // At least one newcomer joined in the time of the reading.
      while (joins.length === 0 && underWay.size === 0) await delay(20)
      await Promise.all(underWay)
      const felt = { joins, streamsCut }
      joins = []
      streamsCut = 0
      return felt
    },
    async stop() {
      clearInterval(arrivals)
      stopping.abort()
      await Promise.all(underWay)
      for (const connection of members) connection.close()
    },
  }
}

const BEAT: registration.HeartbeatRequest = { message: { $case: 'beat', value: {} } }

/** The first message on a node's stream. */
export function hello(hostname: string, labels: Record<string, string> = {}): registration.HeartbeatRequest {
  return {
    message: { $case: 'hello', value: { version: '0.1.0', hostname, labels, advertisedAddress: '', os: 'linux' } },
  }
}
