import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { type NodeProfile, tlsMaterial, Urgency } from '@muster/identity'
import { dersFromPem } from '@muster/pki'
import { connect, type Connection, noProxy, TlsIdentity } from '@muster/rpc'
import { eventually, manualClock, type ManualClock, testCluster } from '@muster/testkit'
import { memoryLog } from '@muster/testkit/log'
import { BOT_TOKEN, NODE_TOKEN, startTestRegistration, type TestRegistration } from '../../test/support/registration.ts'
import { parseStartFlags } from '../config/options.ts'
import { join, requireJoinOptions } from '../join/join.ts'
import { nodeFacts } from '../config/options.ts'
import { followBundle } from './follow-bundle.ts'
import { FollowRotation } from './follow-rotation.ts'
import { sendHeartbeats } from './heartbeat.ts'
import { Renewer } from './renewer.ts'

let folder: string
let number = 0
let server: TestRegistration
let clock: ManualClock
let stop: AbortController
let connection: Connection
let dataDir: string
const { log } = memoryLog()

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-rotation-'))
})
beforeEach(async () => {
  server = await startTestRegistration()
  clock = manualClock(new Date())
  stop = new AbortController()
  dataDir = path.join(folder, String(++number))
})
afterEach(async () => {
  stop.abort()
  connection.close()
  await server.close()
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

/** Joins, and makes what follows a rotation. */
async function joined(token: string) {
  const flags = { token, authServer: server.address, caPin: [server.pin], dataDir }
  const options = parseStartFlags({ ...flags, roles: token === BOT_TOKEN ? 'bot' : 'node', nodename: 'n' }, {})
  const identity = await join(requireJoinOptions(options), { clock, log, signal: stop.signal, proxyFor: noProxy })
  const tls = new TlsIdentity(tlsMaterial(identity))
  connection = connect({ addresses: [server.address], identity: tls, service: 'registration-service' })
  const renewer = new Renewer({ dataDir, identity, connection, clock })
  const urgency = new Urgency()
  const rotation = new FollowRotation({ renewer, tls, connection, urgency, clock, log, signal: stop.signal })
  return { identity, tls, renewer, urgency, rotation, facts: nodeFacts(options.facts) }
}

const stored = async () => JSON.parse(await readFile(path.join(dataDir, 'profile.json'), 'utf8')) as NodeProfile
const storedRoots = async () => dersFromPem(await readFile(path.join(dataDir, 'bundle.pem'), 'utf8'))
const otherRoot = () => testCluster().authorities.host.root.certificateDer

/** Sends heartbeats as a node. */
function beat({ tls, facts, renewer, rotation }: Awaited<ReturnType<typeof joined>>): void {
  const trustBundleVersion = () => renewer.inUse.profile.trustBundleVersion
  const onAnswer = rotation.heard.bind(rotation)
  void sendHeartbeats({ connection, tls, facts, trustBundleVersion, clock, log, onAnswer, onAway() {} }, stop.signal)
}

describe('a node during a rotation', () => {
  test('a node stores a newer bundle that the answer to a heartbeat tells of, trusts it, and confirms it by a new hello', async () => {
    const node = await joined(NODE_TOKEN)
    beat(node)
    await eventually('greeted', () => server.hellos.length === 1)
    server.bundle = { version: 2, otherRootsDer: [otherRoot()] }
    await eventually('confirmed', async () => {
      await clock.advance(1_000)
      return server.hellos.includes(2)
    })
    expect(server.hellos).toEqual([1, 2])
    expect((await stored()).trustBundleVersion).toBe(2)
    expect(await storedRoots()).toHaveLength(2)
    expect(dersFromPem(node.tls.current.hostRootsPem)).toHaveLength(2)
    expect(node.tls.current.own!.chainPem).toBe(node.identity.chainPem)
    expect(node.urgency.isRaised).toBe(false)
  })

  test('a node never stores a bundle that is older than its own, whether it comes alone or with a certificate', async () => {
    server.bundle = { version: 5, otherRootsDer: [otherRoot()] }
    const { renewer, rotation } = await joined(NODE_TOKEN)
    server.bundle = { version: 4, otherRootsDer: [] }
    rotation.heard({ trustBundleVersion: 6, renewNow: false })
    const renewed = await renewer.renew(stop.signal)
    expect(renewed.profile.trustBundleVersion).toBe(5)
    expect((await stored()).trustBundleVersion).toBe(5)
    expect(await storedRoots()).toHaveLength(2)
  })

  test('a node that is asked to renew does so once, within the time that it is given', async () => {
    const { urgency, rotation, renewer } = await joined(NODE_TOKEN)
    const asked = { trustBundleVersion: 1, renewNow: true, renewWithinMs: 200_000 }
    for (const _ of Array.from({ length: 3 })) rotation.heard(asked)
    expect([clock.sleepers, urgency.isRaised]).toEqual([1, false])
    await clock.advance(200_000)
    expect(urgency.isRaised).toBe(true)
    urgency.clear()
    // An answer that was under way while the node renewed.
    rotation.heard(asked)
    await renewer.renew(stop.signal)
    await clock.advance(200_000)
    expect(urgency.isRaised).toBe(false)
  })
})

describe('a bot during a rotation', () => {
  test.each([
    ['a newer bundle', () => (server.bundle = { version: 2, otherRootsDer: [] })],
    ['another authority that signs', () => (server.nodeAuthority = 2)],
  ])('a bot asks about once a minute, and renews soon after it hears of %s', async (_what, change) => {
    const bot = await joined(BOT_TOKEN)
    void followBundle({ ...bot, connection, clock }, stop.signal)
    await eventually('asleep', () => clock.sleepers === 1)
    await clock.advance(90_000)
    expect(bot.urgency.isRaised).toBe(false)
    change()
    await eventually('asked to renew', async () => {
      await clock.advance(20_000)
      return bot.urgency.isRaised
    })
    await bot.renewer.renew(stop.signal)
    const { trustBundleVersion, authorityNumber = 1 } = await stored()
    expect([trustBundleVersion, authorityNumber]).toEqual([server.bundle.version, server.nodeAuthority])
    bot.urgency.clear()
    await clock.advance(300_000)
    expect(bot.urgency.isRaised).toBe(false)
  })
})
