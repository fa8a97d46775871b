import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { users } from '@muster/contracts'
import { refusal } from '@muster/domain'
import { systemClock } from '@muster/runtime'
import { eventually, testCluster, type TestCluster } from '@muster/testkit'
import { connections, contract, rejection, sampleService, sayWhoCalls, serveForTest } from '@muster/testkit/rpc'
import { bindService, operators, type Routes, services } from '@muster/rpc'
import { askRegister } from './ask-register.ts'
import type { RpcServer, ServeOptions } from '@muster/rpc/server'

type CheckOperator = Routes<users.UserServiceService>['checkOperator']['handle']

const { open, closeAll } = connections()
const never = new AbortController().signal
let cluster: TestCluster
let register: RpcServer
const servers: RpcServer[] = []
let answer: CheckOperator
let requests: users.CheckOperatorRequest[]

beforeAll(async () => {
  cluster = testCluster()
  const { checkOperator } = users.UserServiceService
  register = await serveForTest({
    clusterName: cluster.clusterName,
    identity: cluster.service('registration-service'),
    services: [
      bindService(
        { checkOperator },
        {
          checkOperator: {
            callers: services('token-service'),
            handle: (request, context) => {
              requests.push(request)
              return answer(request, context)
            },
          },
        },
      ),
    ],
  })
})
beforeEach(() => {
  requests = []
  answer = async () => ({ roles: ['viewer'] })
})
afterEach(async () => {
  closeAll()
  await Promise.all(servers.splice(0).map((server) => server.close()))
})
afterAll(() => register.close())

/** token-service, which asks the register at this address about people. */
async function serveAsking(address: string, options: Partial<ServeOptions> = {}): Promise<RpcServer> {
  const { clusterName } = cluster
  const toRegister = open(address, cluster.service('token-service'), { clusterName })
  const callers = operators('viewer')
  const server = await serveForTest({
    clusterName,
    identity: cluster.service('token-service'),
    currentRoles: askRegister(toRegister.client(users.UserServiceService)),
    services: [
      sampleService({
        getTrustBundle: { ...sayWhoCalls, callers },
        listNodes: { callers: operators('operator'), handle: async () => ({ nodes: [], nextPageToken: '' }) },
        watchNodes: {
          callers,
          handle: async function* (_request, { signal }) {
            yield { event: { $case: 'snapshotComplete', value: {} } }
            await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
          },
        },
      }),
    ],
    ...options,
  })
  servers.push(server)
  return server
}

describe('a service that asks the register', () => {
  test('a service that asks the register sends the name and the key of the caller, and uses the roles in the answer', async () => {
    const { address } = await serveAsking(register.address)
    const ada = cluster.user('ada', 'admin')
    const client = open(address, ada, { service: 'token-service' }).client(contract)
    await client.getTrustBundle({})
    const keyFingerprint = createHash('sha256').update(ada.publicKeyDer).digest()
    expect(requests).toEqual([{ name: 'ada', keyFingerprint }])
    const refused = await rejection(
      client.listNodes({ pageSize: 0, pageToken: '', tokenId: '', labels: {}, statuses: [], search: '' }),
    )
    expect(refused.message).toBe('this needs an operator with the role operator')
  })

  test('a service that asks the register passes on the reason why a caller is no longer a user of the cluster', async () => {
    const { address } = await serveAsking(register.address)
    const message = "you are no longer a user of this cluster; ask an admin for 'musterctl users reset NAME'"
    answer = () => Promise.reject(refusal('USER_UNKNOWN', message))
    const client = open(address, cluster.user('ada', 'admin'), { service: 'token-service' }).client(contract)
    expect(await rejection(client.getTrustBundle({}))).toMatchObject({
      kind: 'unauthenticated',
      reason: 'USER_UNKNOWN',
      message,
    })
  })

  test('a service that asks the register is unavailable to people while the register is down, and does not tell them its address', async () => {
    const { address } = await serveAsking('127.0.0.1:1')
    const client = open(address, cluster.user('ada', 'admin'), { service: 'token-service' }).client(contract)
    const refused = await rejection(client.getTrustBundle({}))
    expect(refused.kind).toBe('unavailable')
    expect(refused.message).toMatch(/^registration-service cannot be reached/)
    expect(refused.message).not.toContain('127.0.0.1')
  })

  test('a service that asks the register stops asking when the caller has gone', async () => {
    const { address } = await serveAsking(register.address)
    let cancelled = false
    answer = (_request, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          cancelled = true
          reject(signal.reason as Error)
        })
      })
    const leave = new AbortController()
    const client = open(address, cluster.user('ada', 'admin'), { service: 'token-service' }).client(contract)
    const left = rejection(client.getTrustBundle({}, { signal: leave.signal }))
    await eventually('asked', () => requests.length === 1)
    leave.abort()
    await left
    await eventually('cancelled', () => cancelled)
  })

  test('a service that asks the register asks about streams that have been open for longer than any unary call may last', async () => {
    // To this server, every call began a minute ago.
    const clock = { ...systemClock, now: () => new Date(Date.now() - 60_000) }
    const { address } = await serveAsking(register.address, { clock })
    const connection = open(address, cluster.user('ada', 'admin'), { service: 'token-service' })
    const watch = connection.serverStream(contract.watchNodes, {}, never)[Symbol.asyncIterator]()
    await watch.next()
    const end = rejection(watch.next())
    await eventually('asked again', () => requests.length >= 2)
    answer = () => Promise.reject(refusal('USER_UNKNOWN', 'gone'))
    expect((await end).reason).toBe('USER_UNKNOWN')
  })
})
