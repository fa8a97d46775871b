import { registration } from '@muster/contracts'
import { connect, type Connection, type DuplexStream, TlsIdentity } from '@muster/rpc'
import { concurrently } from './concurrently.ts'
import { floorService, HEARTBEAT_REQUEST } from './floor-service.ts'
import type { JoinedNode } from './load-connections.ts'

export interface StreamsInput {
  address: string
  clusterName: string
  rootPem: string
  /** One stream on one connection for each. */
  nodes: JoinedNode[]
  /** True: against a bare server, which speaks no contract of ours. */
  isFloor: boolean
}

/** One stream: sends a message and calls back when the answer is there. */
interface Stream {
  connection: Connection
  call: Pick<DuplexStream<unknown>, 'ended' | 'cancel'>
  greet(): void
  beat(): void
  onAnswer: () => void
  onEnd: (error: Error) => void
}

let streams: Stream[] = []

/** Opens a stream for each node, each on a connection of its own: hello, then one beat, both answered. */
export async function openStreams(input: StreamsInput): Promise<void> {
  await concurrently({ count: input.nodes.length, concurrency: 32 }, async (index) => {
    const stream = open(input, index)
    streams.push(stream)
    await nextAnswer(stream, () => stream.greet())
    await nextAnswer(stream, () => stream.beat())
  })
}

/** Beats on all streams, each as soon as the last was answered. @returns how long each took */
export async function beats({ durationMs }: { durationMs: number }): Promise<{ durationsMs: number[] }> {
  const durationsMs: number[] = []
  const end = performance.now() + durationMs
  const run = async (stream: Stream) => {
    for (;;) {
      const sentAt = performance.now()
      if (sentAt >= end) return
      await nextAnswer(stream, () => stream.beat())
      durationsMs.push(performance.now() - sentAt)
    }
  }
  await Promise.all(streams.map(run))
  return { durationsMs }
}

/** Ends all streams and their connections. */
export async function closeStreams(): Promise<void> {
  for (const { call, connection } of streams) {
    call.cancel()
    connection.close()
  }
  streams = []
}

function open({ address, clusterName, rootPem, nodes, isFloor }: StreamsInput, index: number): Stream {
  const { keyPem, chainPem } = nodes[index]!
  const identity = new TlsIdentity({ own: { keyPem, chainPem }, hostRootsPem: rootPem, userRootsPem: '' })
  const connection = connect({ addresses: [address], identity, service: 'registration-service', clusterName })
  const onMessage = () => stream.onAnswer()
  const ends = { onAnswer: () => {}, onEnd: () => {} }
  let stream: Stream
  if (isFloor) {
    const call = connection.duplex(floorService.heartbeat, onMessage)
    const beat = () => call.send(HEARTBEAT_REQUEST)
    stream = { connection, call, greet: beat, beat, ...ends }
  } else {
    const call = connection.duplex(registration.RegistrationServiceService.heartbeat, onMessage)
    const greet = () => call.send(hello(index))
    stream = { connection, call, greet, beat: () => call.send(BEAT), ...ends }
  }
  stream.call.ended.then(
    () => stream.onEnd(new Error('the server has ended a stream')),
    (error: Error) => stream.onEnd(error),
  )
  return stream
}

const BEAT: registration.HeartbeatRequest = { message: { $case: 'beat', value: {} } }

/** Sends and resolves when the answer is there. One at a time for each stream. */
function nextAnswer(stream: Stream, send: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.onAnswer = resolve
    stream.onEnd = reject
    send()
  })
}

function hello(index: number): registration.HeartbeatRequest {
  const value = {
    version: '0.1.0',
    hostname: `bench-${index}.example`,
    labels: { env: 'bench' },
    advertisedAddress: '',
    os: 'linux x64 6.1.0',
  }
  return { message: { $case: 'hello', value } }
}
