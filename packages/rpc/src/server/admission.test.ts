import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { BREAK_GLASS } from '@muster/domain'
import { eventually } from '@muster/testkit'
import { serveForTest } from '@muster/testkit/rpc'
import { operators } from './callers.ts'
import { away, gone, JOIN, LIST, serveAdmission, type AdmissionServer } from '../../test/support/admission.ts'
import { beat, contract, rejection, sampleService, sayWhoCalls, whoAmI } from '@muster/testkit/rpc'

let served: AdmissionServer

beforeAll(async () => {
  served = await serveAdmission()
})
beforeEach(() => served.begin())
afterEach(() => served.end())
afterAll(() => served.close())

describe('a person', () => {
  test('a person is admitted while on the roll, which is asked on every call', async () => {
    const ada = served.cluster.user('ada', 'viewer')
    expect((await served.whoAmI(ada)).trustBundle!.clusterName).toContain(ada.spiffeId)
    await served.whoAmI(ada)
    expect(served.asked).toEqual(['ada', 'ada'])
  })

  test('a person causes one question to the roll for a unary call, however long the call takes', async () => {
    const called = served.clientOf(served.cluster.user('ada', 'operator')).listNodes({ ...LIST, pageToken: 'wait' })
    await eventually('being served', () => served.waiting.length === 1)
    await served.watching(served.cluster.user('bob', 'viewer'))
    await eventually('bob is asked about again', () => served.asked.filter((name) => name === 'bob').length >= 3)
    served.waiting[0]!()
    await called
    expect(served.asked.filter((name) => name === 'ada')).toHaveLength(1)
  })

  test('a person who was removed gets USER_UNKNOWN from every RPC, whatever the certificate says', async () => {
    served.roll = () => Promise.reject(gone())
    const connection = served.open(served.cluster.user('ada', 'admin'))
    const watch = served.watch(connection)
    const duplex = connection.duplex(contract.heartbeat, () => {})
    duplex.send(beat)
    for (const refused of [connection.client(contract).getTrustBundle({}), watch.next(), duplex.ended]) {
      expect(await rejection(refused)).toMatchObject({ kind: 'unauthenticated', reason: 'USER_UNKNOWN' })
    }
    expect(served).toMatchObject({ handled: [], begun: 0 })
  })

  test('a person has only the roles of the roll when the certificate has more', async () => {
    served.roll = async () => ['viewer']
    const ada = served.cluster.user('ada', 'admin')
    await served.whoAmI(ada)
    expect(await rejection(served.clientOf(ada).listNodes(LIST))).toMatchObject({
      kind: 'permissionDenied',
      reason: 'CALLER_NOT_ALLOWED',
      message: 'this needs an operator with the role operator',
    })
    served.roll = async () => []
    expect((await rejection(served.whoAmI(ada))).kind).toBe('permissionDenied')
  })

  test('a person has no role that the certificate lacks, and the roll is not asked', async () => {
    served.roll = async () => ['admin']
    expect((await rejection(served.clientOf(served.cluster.user('ada', 'viewer')).listNodes(LIST))).kind).toBe(
      'permissionDenied',
    )
    expect(served.asked).toEqual([])
  })

  test('a person cannot start a call while the roll does not answer', async () => {
    served.roll = () => Promise.reject(away())
    const connection = served.open(served.cluster.user('ada', 'admin'))
    const watch = served.watch(connection)
    const duplex = connection.duplex(contract.heartbeat, () => {})
    duplex.send(beat)
    for (const refused of [connection.client(contract).getTrustBundle({}), watch.next(), duplex.ended]) {
      expect((await rejection(refused)).kind).toBe('unavailable')
    }
    expect(served).toMatchObject({ handled: [], begun: 0 })
  })
})

describe('onRefused', () => {
  test('onRefused is called for each call that its caller may not make, of any shape, and for no other', async () => {
    const node = served.open(served.cluster.node())
    await rejection(served.clientOf(served.cluster.anonymous()).listNodes(LIST))
    await rejection(served.clientOf(served.cluster.user('ada', 'viewer')).listNodes(LIST))
    await rejection(served.watch(node).next())
    await rejection(node.duplex(contract.heartbeat, () => {}).ended)
    await served.whoAmI(served.cluster.user('ada', 'viewer'))
    served.roll = () => Promise.reject(away())
    await rejection(served.whoAmI(served.cluster.user('ada', 'viewer')))
    served.roll = () => Promise.reject(gone())
    await rejection(served.whoAmI(served.cluster.user('ada', 'viewer')))
    expect(served.refused).toEqual([
      'anonymous ListNodes unauthenticated NO_IDENTITY',
      'user ListNodes permissionDenied CALLER_NOT_ALLOWED',
      'node WatchNodes permissionDenied CALLER_NOT_ALLOWED',
      'node Heartbeat permissionDenied CALLER_NOT_ALLOWED',
      'user GetTrustBundle unauthenticated USER_UNKNOWN',
    ])
  })
})

describe('callers that the roll is not asked about', () => {
  test('the roll of people is not asked about the holder of a break-glass certificate', async () => {
    served.roll = () => Promise.reject(away())
    const root = served.cluster.member({ kind: 'user', name: 'root', roles: ['admin', BREAK_GLASS] })
    await served.whoAmI(root)
    await served.clientOf(root).listNodes(LIST)
    await served.watching(root)
    await served.beating(root)
    expect(served.asked).toEqual([])
  })

  test('a break-glass certificate without the role is refused at once, without a question to the roll', async () => {
    const root = served.cluster.member({ kind: 'user', name: 'root', roles: ['viewer', BREAK_GLASS] })
    expect((await rejection(served.clientOf(root).listNodes(LIST))).kind).toBe('permissionDenied')
    expect(served.asked).toEqual([])
  })

  test('the roll of people is not asked about nodes, services, bots and anonymous callers, nor about people where anyone may call', async () => {
    served.roll = () => Promise.reject(gone())
    await served.clientOf(served.cluster.node()).renewCertificate({})
    await served.clientOf(served.cluster.service('token-service')).removeNode({ nodeId: '' })
    await served.clientOf(served.cluster.anonymous()).register(JOIN)
    await served.clientOf(served.cluster.user('ada', 'admin')).register(JOIN)
    // They are refused as they would be without a roll.
    for (const material of [
      served.cluster.node(),
      served.cluster.member({ kind: 'bot', name: 'ci', roles: ['admin'] }),
    ]) {
      expect((await rejection(served.whoAmI(material))).kind).toBe('permissionDenied')
    }
    expect((await rejection(served.whoAmI(served.cluster.anonymous()))).kind).toBe('unauthenticated')
    expect(served.asked).toEqual([])
  })

  test('a service without a roll asks about no caller', async () => {
    const alone = await serveForTest({
      clusterName: served.cluster.clusterName,
      identity: served.cluster.service('registration-service'),
      services: [sampleService({ getTrustBundle: { ...sayWhoCalls, callers: operators('viewer') } })],
    })
    const caller = served.open(served.cluster.user('ada', 'viewer'), alone.address)
    expect(await whoAmI(caller)).toContain('/user/ada ')
    await alone.close()
  })
})
