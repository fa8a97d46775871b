import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { bots } from '@muster/contracts'
import { SERVICE_NAMES } from '@muster/domain'
import { everyKindOfPeer } from '@muster/testkit'
import { accessOf, accessOfEach } from '@muster/testkit/rpc'
import { webAddressOf } from '../entry/get-trust-bundle.ts'
import { contract, serveRegistration, type Served } from '../../test/support/service.ts'

let served: Served

beforeAll(async () => {
  served = await serveRegistration()
})
afterAll(async () => {
  await served.close()
})

describe('callers of the RPCs for nodes and bots', () => {
  const everyone = ['anonymous', 'node', 'bot', ...SERVICE_NAMES, 'viewer', 'operator', 'admin']
  const ALLOWED: Record<string, string[]> = {
    register: everyone,
    getTrustBundle: everyone,
    renewCertificate: ['node'],
    recoverCertificate: everyone,
    heartbeat: ['node'],
    removeNode: ['operator', 'admin'],
    banNode: ['operator', 'admin'],
    unbanNode: ['operator', 'admin'],
    listNodes: ['viewer', 'operator', 'admin'],
    watchNodes: ['viewer', 'operator', 'admin'],
    renewBot: ['bot'],
    removeBot: ['operator', 'admin'],
    banBot: ['operator', 'admin'],
    unbanBot: ['operator', 'admin'],
    listBots: ['viewer', 'operator', 'admin'],
  }
  const rpcs = { ...contract, ...bots.BotServiceService }

  test('callers are defined for every RPC of the contract', () => {
    expect(Object.keys(ALLOWED)).toEqual(Object.keys(rpcs))
    for (const { path } of Object.values(rpcs)) expect(served.server.callers.has(path)).toBe(true)
  })

  test.each(Object.entries(rpcs))('%s admits the callers in the table and no others', async (rpc, method) => {
    const callers = everyKindOfPeer(served.cluster)
    const { found, expected } = await accessOfEach(callers, ALLOWED[rpc]!, served.connect, method)
    expect(found).toEqual(expected)
  })

  test('no caller with an expired or foreign certificate may call what nodes and bots may call', async () => {
    const hours = (count: number) => new Date(Date.now() + count * 3_600_000)
    const base = { kind: 'node', name: '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11' } as const
    const { cluster } = served
    for (const wrong of [
      { notBefore: hours(-2), notAfter: hours(-1) },
      { notBefore: hours(1), notAfter: hours(2) },
      { signedBy: cluster.authorities.user.issuing },
      { clusterName: 'other.internal' },
    ]) {
      for (const method of [contract.renewCertificate, contract.heartbeat]) {
        expect(await accessOf(served.connect(cluster.member({ ...base, ...wrong })), method)).toBe('unauthenticated')
      }
      const bot = cluster.member({ ...base, kind: 'bot', ...wrong })
      expect(await accessOf(served.connect(bot), rpcs.renewBot)).toBe('unauthenticated')
    }
  })
})

describe('GetTrustBundle', () => {
  test('GetTrustBundle gives anyone the roots', async () => {
    const { trustBundle } = await served.client(served.cluster.anonymous()).getTrustBundle({})
    expect(trustBundle).toEqual(served.authority.trustBundle)
  })

  test('GetTrustBundle tells version and time of the server, the oldest supported agent and the address of the web face', async () => {
    const answer = await served.client(served.cluster.anonymous()).getTrustBundle({})
    expect(answer.serverVersion).toMatch(/^\d+\.\d+\.\d+/)
    expect(answer.serverTime).toEqual(served.clock.now())
    expect(answer).toMatchObject({ minimumAgentVersion: '0.1.0', webAddress: 'muster.example:3080' })
  })

  test.each([
    ['', '', undefined],
    [':3080', '', ':3080'],
    ['web.example:443', 'muster.example:3025', 'web.example:443'],
  ])('the web face %j of a cluster at %j is told as %j', (webService, registrationService, told) => {
    expect(webAddressOf({ webService, registrationService })).toBe(told)
  })
})
