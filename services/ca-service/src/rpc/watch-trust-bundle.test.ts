import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import { ca } from '@muster/contracts'
import type { DuplexStream } from '@muster/rpc'
import { eventually } from '@muster/testkit'
import { rejection } from '@muster/testkit/rpc'
import { makeMove } from '../rotation/make-move.ts'
import { liveReplicas } from '../rotation/replica-rows.ts'
import type { Phase } from '../rotation/rotation-state.ts'
import { serveCa, type Served } from '../../test/support/service.ts'

let served: Served
let streams: DuplexStream<ca.WatchTrustBundleRequest>[] = []

beforeEach(async () => {
  served = await serveCa()
})
afterEach(async () => {
  for (const stream of streams) stream.cancel()
  streams = []
  await served.close()
})

const move = (to: Phase) => makeMove(served.authorityDeps(), { type: 'host', move: to, actor: 'test' })

const state = { replicaId: randomUUID(), hostname: 'box-1', trustBundleVersion: 1, authorityNumber: 1 }

function watch(material = served.cluster.service('token-service')) {
  const told: ca.WatchTrustBundleResponse[] = []
  const stream = served.connect(material).duplex(ca.CaServiceService.watchTrustBundle, (answer) => told.push(answer))
  stream.ended.catch(() => {})
  streams.push(stream)
  return { told, stream }
}

describe('WatchTrustBundle', () => {
  test('WatchTrustBundle tells the bundle and the signers at once, even after a move that the replica has not heard of', async () => {
    await move('init')
    await move('update_clients')
    expect(served.current.current.host.phase).toBe('standby')
    const { told, stream } = watch()
    stream.send(state)
    await eventually('told', () => told.length > 0)
    expect(told[0]).toMatchObject({ signers: { node: 2, service: 1, user: 1 }, trustBundle: { version: 2 } })
    expect(told[0]!.trustBundle!.hostRootsDer).toHaveLength(2)
  })

  test('WatchTrustBundle tells each change while the stream is open', async () => {
    const { told, stream } = watch()
    stream.send(state)
    await eventually('told', () => told.length === 1)
    await move('init')
    await served.current.reload()
    await eventually('told again', () => told.length === 2)
    expect(told.map(({ trustBundle }) => trustBundle!.version)).toEqual([1, 2])
  })

  test('WatchTrustBundle records what each replica has confirmed last', async () => {
    const { stream } = watch()
    stream.send(state)
    stream.send({ ...state, trustBundleVersion: 2 })
    const other = { ...state, replicaId: randomUUID() }
    watch(served.cluster.service('registration-service')).stream.send(other)
    await eventually('recorded', async () => {
      const replicas = await liveReplicas(served.pool)
      return replicas.length === 2 && replicas.some(({ trustVersion }) => trustVersion === 2)
    })
    expect(await liveReplicas(served.pool)).toEqual([
      { id: other.replicaId, service: 'registration-service', hostname: 'box-1', trustVersion: 1, authorityNumber: 1 },
      { id: state.replicaId, service: 'token-service', hostname: 'box-1', trustVersion: 2, authorityNumber: 1 },
    ])
    await served.pool.query(
      `update replicas set seen_at = now() - interval '16 seconds' where service = 'token-service'`,
    )
    expect((await liveReplicas(served.pool)).map(({ service }) => service)).toEqual(['registration-service'])
  })

  test.each([
    ['replica_id', { replicaId: 'box-1' }],
    ['hostname', { hostname: 'box\n1' }],
  ])('WatchTrustBundle refuses a bad %s', async (field, change) => {
    const { stream } = watch()
    stream.send({ ...state, ...change })
    expect(await rejection(stream.ended)).toMatchObject({ kind: 'invalidArgument', field })
  })

  test('WatchTrustBundle is for services, not for nodes', async () => {
    const { stream } = watch(served.cluster.node())
    stream.send(state)
    expect(await rejection(stream.ended)).toMatchObject({ kind: 'permissionDenied' })
  })
})
