import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { testCluster, type TestCluster, type TestMaterial } from '@muster/testkit'
import { serveForTest } from '@muster/testkit/rpc'
import { createHealth } from './health.ts'
import { createReflection } from './reflection.ts'
import type { ServiceDefinition } from '../route.ts'
import type { RpcServer } from './serve.ts'
import { connections, rejection, sampleService } from '@muster/testkit/rpc'

const NAME = 'muster.registration.v1.RegistrationService'
const health = createHealth([]).service.definition
const { open, closeAll } = connections()
let cluster: TestCluster
let server: RpcServer

beforeAll(async () => {
  cluster = testCluster()
  server = await serveForTest({
    clusterName: cluster.clusterName,
    identity: cluster.service('registration-service'),
    services: [sampleService()],
  })
})
afterEach(() => {
  closeAll()
})
afterAll(async () => {
  await server.close()
})

type HealthClient = Record<string, (request: { service: string }) => Promise<{ status: string }>>

describe('health', () => {
  function check(service = '') {
    const client = open(server.address, cluster.anonymous()).client(health) as unknown as HealthClient
    return client['Check']!({ service })
  }

  test('health is current and served to anyone', async () => {
    expect(await check()).toMatchObject({ status: 'NOT_SERVING' })
    server.health.set(true)
    expect(server.health.serving).toBe(true)
    expect(await check()).toMatchObject({ status: 'SERVING' })
    expect(await check(NAME)).toMatchObject({ status: 'SERVING' })
    server.health.set(false)
    expect(await check()).toMatchObject({ status: 'NOT_SERVING' })
  })

  test('health of an unknown service is NOT_FOUND', async () => {
    expect((await rejection(check('nobody'))).kind).toBe('notFound')
    const connection = open(server.address, cluster.anonymous())
    const watch = connection.serverStream(health['Watch']!, { service: 'nobody' }, new AbortController().signal)
    expect((await rejection((watch as AsyncGenerator).next())).kind).toBe('notFound')
  })

  test('health can be watched', async () => {
    const stop = new AbortController()
    const connection = open(server.address, cluster.anonymous())
    const states = connection.serverStream(health['Watch']!, { service: '' }, stop.signal)
    const seen: string[] = []
    for await (const { status } of states as AsyncIterable<{ status: string }>) {
      seen.push(status)
      if (seen.length === 4) break
      server.health.set(seen.length % 2 === 1)
    }
    expect(seen).toEqual(['NOT_SERVING', 'SERVING', 'NOT_SERVING', 'SERVING'])
    stop.abort()
  })

  test('health that changes many times in quick succession ends with the last state', async () => {
    server.health.set(false)
    const connection = open(server.address, cluster.anonymous())
    const states = connection.serverStream(health['Watch']!, { service: '' }, new AbortController().signal)
    let last = ''
    for await (const { status } of states as AsyncIterable<{ status: string }>) {
      if (last === '') {
        for (let i = 0; i < 25; i++) {
          server.health.set(true)
          await Promise.resolve()
          server.health.set(false)
          await new Promise((resolve) => setImmediate(resolve))
        }
        server.health.set(true)
      }
      last = status
      if (status === 'SERVING' && server.health.serving) break
    }
    expect(last).toBe('SERVING')
  })
})

describe('reflection', () => {
  const versions = createReflection([sampleService()]).map(({ definition }) => definition)

  /** The answer to one question of a debugging tool. */
  async function ask(
    definition: ServiceDefinition,
    material: TestMaterial,
    question: object,
  ): Promise<Record<string, unknown>> {
    const method = Object.values(definition)[0]!
    let answer: Record<string, unknown> | undefined
    const connection = open(server.address, material)
    const stream = connection.duplex<unknown, Record<string, unknown>>(method, (message) => {
      answer = message
      void stream.end()
    })
    stream.send({ host: '', ...question })
    await stream.ended
    return answer!
  }

  test('reflection is served in both versions', () => {
    expect(versions.map((definition) => Object.values(definition)[0]!.path)).toEqual([
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
    ])
  })

  test('reflection lists the services for a viewer and returns their contracts', async () => {
    for (const definition of versions) {
      const viewer = cluster.user('ada', 'viewer')
      const list = await ask(definition, viewer, { listServices: '*' })
      expect(JSON.stringify(list)).toContain(NAME)
      const file = await ask(definition, viewer, { fileContainingSymbol: NAME })
      expect(JSON.stringify(file)).toContain('fileDescriptorProto')
      const missing = await ask(definition, viewer, { fileContainingSymbol: 'muster.Nothing' })
      expect(JSON.stringify(missing)).toMatch(/errorResponse|errorCode/)
    }
  })

  test('reflection lists every service that the server has, and describes each', async () => {
    const served = new Set([...server.callers.keys()].map((path) => path.split('/')[1]!))
    expect([...served].sort()).toEqual([
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
      NAME,
    ])
    const viewer = cluster.user('ada', 'viewer')
    for (const definition of versions) {
      const list = await ask(definition, viewer, { listServices: '*' })
      const { service } = list['listServicesResponse'] as { service: { name: string }[] }
      expect(service.map(({ name }) => name).sort()).toEqual([...served].sort())
      for (const name of served) {
        const file = await ask(definition, viewer, { fileContainingSymbol: name })
        expect({ name, file }).toMatchObject({ file: { fileDescriptorResponse: expect.anything() } })
      }
    }
  })

  test.each<[string, string, () => TestMaterial]>([
    ['unauthenticated', 'anonymous', () => cluster.anonymous()],
    ['permissionDenied', 'a node', () => cluster.node()],
    ['permissionDenied', 'a service', () => cluster.service('token-service')],
    ['permissionDenied', 'a bot', () => cluster.member({ kind: 'bot', name: 'ci' })],
  ])('reflection is %s to %s', async (kind, _who, material) => {
    for (const definition of versions) {
      const error = await rejection(ask(definition, material(), { listServices: '*' }))
      expect(error.kind).toBe(kind)
    }
  })
})
