import { expect } from '@jest/globals'
import type { registration } from '@muster/contracts'
import { AppError, refusal } from '@muster/domain'
import { systemClock } from '@muster/runtime'
import { eventually, testCluster, type TestCluster, type TestMaterial } from '@muster/testkit'
import { serveForTest } from '@muster/testkit/rpc'
import type { CurrentRoles } from '../../src/server/admission.ts'
import { anyone, nodes, operators, services } from '../../src/server/callers.ts'
import type { DuplexStream } from '../../src/client/calls.ts'
import type { Connection } from '../../src/client/connect.ts'
import { beat, connections, contract, heartbeatAnswer, sampleService, sayWhoCalls } from '@muster/testkit/rpc'
import { memoryLog, type LogLine } from '@muster/testkit/log'

export const LIST = { pageSize: 0, pageToken: '', tokenId: '', labels: {}, statuses: [], search: '' }
export const JOIN = {
  token: '',
  csrDer: Buffer.of(),
  hostname: '',
  roles: [],
  advertisedAddress: '',
  labels: {},
  version: '',
}

export const gone = () => refusal('USER_UNKNOWN', 'you are no longer a user')
export const away = () => new AppError('unavailable', 'the register cannot be reached; try again')

/** What a test sets, and what it observes. */
interface Scene {
  /** The answer of the roll of people. */
  roll: CurrentRoles
  /** The people that the roll was asked about. */
  asked: string[]
  /** The refused calls that were reported. */
  refused: string[]
  /** The messages received on duplexes: the host name of a hello, or beat. */
  handled: string[]
  /** Handlers of streams: how many were begun, and how many run. */
  begun: number
  running: number
  /** Ends the unary calls that wait for it. */
  waiting: (() => void)[]
  /** Ends the streams of a test. */
  leave: AbortController
}

function newScene(): Scene {
  return {
    roll: async ({ roles }) => roles,
    asked: [],
    refused: [],
    handled: [],
    begun: 0,
    running: 0,
    waiting: [],
    leave: new AbortController(),
  }
}

function clientOf(connection: Connection) {
  return connection.client(contract)
}

/** A server that asks a roll of people, with calls of every shape. */
export interface AdmissionServer extends Scene {
  cluster: TestCluster
  /** The lines of the server's log. */
  lines: LogLine[]
  /** Puts the server's clock forward. */
  skip(ms: number): void
  open(material: TestMaterial, address?: string): Connection
  clientOf(material: TestMaterial): ReturnType<typeof clientOf>
  whoAmI(material: TestMaterial): Promise<registration.GetTrustBundleResponse>
  /** A watch, until the signal aborts, or else the test leaves. */
  watch(connection: Connection, signal?: AbortSignal): AsyncIterator<unknown>
  /** A watch that has brought its first message. */
  watching(material: TestMaterial): Promise<AsyncIterator<unknown>>
  /** A duplex whose first beat has been answered. */
  beating(
    material: TestMaterial,
  ): Promise<{ stream: DuplexStream<registration.HeartbeatRequest>; answers: () => number }>
  /** Makes the roll answer only when the returned function is called. */
  holdRoll(): () => void
  /** Before each test. */
  begin(): void
  /** After each test. */
  end(): Promise<void>
  close(): Promise<void>
}

export async function serveAdmission(): Promise<AdmissionServer> {
  const { open, closeAll } = connections()
  const { log, lines } = memoryLog()
  const cluster = testCluster()
  let aheadMs = 0
  const server = await serveForTest({
    clusterName: cluster.clusterName,
    identity: cluster.service('registration-service'),
    log,
    clock: { ...systemClock, now: () => new Date(Date.now() + aheadMs) },
    onRefused: (rpc, { kind, reason }, { peer }) => served.refused.push(`${peer.kind} ${rpc} ${kind} ${reason}`),
    currentRoles: (person, context) => {
      served.asked.push(person.name)
      return served.roll(person, context)
    },
    services: [sampleOf(() => served)],
  })
  const served: AdmissionServer = {
    ...newScene(),
    cluster,
    lines,
    skip: (ms) => void (aheadMs += ms),
    open: (material, address = server.address) => open(address, material),
    clientOf: (material) => clientOf(served.open(material)),
    whoAmI: (material) => served.clientOf(material).getTrustBundle({}),
    watch: (connection, signal = served.leave.signal) =>
      connection.serverStream(contract.watchNodes, {}, signal)[Symbol.asyncIterator](),
    async watching(material) {
      const messages = served.watch(served.open(material))
      expect(await messages.next()).toMatchObject({ value: { event: { $case: 'snapshotComplete' } } })
      return messages
    },
    async beating(material) {
      let answers = 0
      const stream = served.open(material).duplex(contract.heartbeat, () => (answers += 1))
      stream.ended.catch(() => {})
      served.leave.signal.addEventListener('abort', () => stream.cancel())
      stream.send(beat)
      await eventually('answered', () => answers === 1)
      return { stream, answers: () => answers }
    },
    holdRoll() {
      let release = () => {}
      const held = new Promise<void>((resolve) => (release = resolve))
      served.roll = async ({ roles }) => {
        await held
        return roles
      }
      return release
    },
    begin() {
      Object.assign(served, newScene())
      lines.length = 0
    },
    async end() {
      served.leave.abort()
      closeAll()
      await eventually('ended', () => served.running === 0)
    },
    close: () => server.close(),
  }
  return served
}

/** Unary calls for operators, anyone, nodes and a service; a duplex and a watch for viewers. */
function sampleOf(scene: () => Scene) {
  const viewers = operators('viewer')
  return sampleService({
    getTrustBundle: { ...sayWhoCalls, callers: viewers },
    listNodes: {
      callers: operators('operator'),
      handle: async ({ pageToken }, { signal }) => {
        signal.throwIfAborted()
        if (pageToken === 'wait') await new Promise<void>((resolve) => scene().waiting.push(resolve))
        return { nodes: [], nextPageToken: '' }
      },
    },
    register: {
      callers: anyone,
      handle: async () => ({
        nodeId: 'in',
        certificate: undefined,
        trustBundle: undefined,
        heartbeat: undefined,
        botName: '',
      }),
    },
    renewCertificate: {
      callers: nodes,
      handle: async () => ({ certificate: undefined, trustBundle: undefined }),
    },
    removeNode: { callers: services('token-service'), handle: async () => ({ node: undefined }) },
    heartbeat: {
      callers: viewers,
      handle: (stream, { signal }) =>
        new Promise((resolve) => {
          scene().begun += 1
          scene().running += 1
          signal.addEventListener('abort', () => {
            scene().running -= 1
            resolve()
          })
          stream.onMessage(({ message }) => {
            const { handled } = scene()
            handled.push(message?.$case === 'hello' ? message.value.hostname : 'beat')
            stream.send(heartbeatAnswer(handled.length))
          })
        }),
    },
    watchNodes: {
      callers: viewers,
      handle: async function* (_request, { signal }) {
        scene().begun += 1
        scene().running += 1
        try {
          yield { event: { $case: 'snapshotComplete', value: {} } }
          await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
        } finally {
          scene().running -= 1
        }
      },
    },
  })
}
