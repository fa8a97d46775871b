import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { chainPem, dersFromPem, spkiPin } from '@muster/pki'
import { testCluster, type TestCluster } from '@muster/testkit'
import { beforeAll, beforeEach, expect, test } from '@jest/globals'
import { agentDir, nodeIdOf, startAgent } from '../harness/agent.ts'
import { useSharedCluster } from '../harness/use-cluster.ts'
import { startImpostor, type Impostor, type Mask } from '../harness/impostor.ts'
import { startProxy, type Proxy } from '../harness/proxy.ts'

const NOT_TRUSTED = 4

const cluster = useSharedCluster()
/** A cluster with the name of the real one and other authorities. */
let foreign: TestCluster
let token: string
let count = 0

beforeAll(() => {
  foreign = testCluster('muster.internal')
})
beforeEach(async () => {
  token = (await cluster().operator.makeToken()).value
})

function realServer(): string {
  return cluster().profile.addresses.registration
}

async function realRoot(): Promise<Buffer> {
  return dersFromPem(await readFile(path.join(cluster().operatorDir, 'bundle.pem'), 'utf8'))[0]!
}

/** An impostor behind a proxy that records what is on the wire. */
async function startRecorded(mask: Mask): Promise<{ impostor: Impostor; wire: Proxy }> {
  const impostor = await startImpostor(cluster().life, mask, realServer())
  return { impostor, wire: await startProxy(cluster().life, () => impostor.address) }
}

async function expectNotTrusted(authServer: string, pins?: readonly string[]): Promise<string> {
  const agent = await startAgent(cluster(), {
    name: `trust-${++count}`,
    token,
    authServer,
    ...(pins === undefined ? {} : { pins }),
  })
  expect(await agent.exit()).toBe(NOT_TRUSTED)
  expect(agent.output()).not.toContain(token)
  return agent.output()
}

function expectNoToken({ impostor, wire }: { impostor: Impostor; wire: Proxy }): void {
  expect(wire.connections()).toBeGreaterThan(0)
  expect(wire.received().length).toBeGreaterThan(0)
  expect(wire.received().includes(token)).toBe(false)
  // It was asked for the trust bundle at most, since the pin may be of a root that was rotated: no request to join fits in this.
  expect(impostor.received().length).toBeLessThan(400)
  expect(impostor.received().includes(token)).toBe(false)
}

test('a server of another CA receives no byte of the token', async () => {
  const service = foreign.service('registration-service')
  const mask = { keyPem: service.own.keyPem, chainPem: service.own.chainPem + foreign.hostRootsPem }
  const recorded = await startRecorded(mask)
  const output = await expectNotTrusted(recorded.wire.address)
  expect(output).toContain(foreign.pin)
  expectNoToken(recorded)
})

test('a man in the middle that shows the real root behind its own chain receives no byte of the token', async () => {
  // Only the signature under the real root's key is missing: names and key identifiers all fit.
  const root = await realRoot()
  const evilRoot = foreign.authorities.host.root.certificateDer
  const disguise = Buffer.from(foreign.authorities.host.issuing.certificateDer)
  replaceBytes(disguise, commonNameOf(evilRoot), commonNameOf(root))
  replaceBytes(disguise, keyIdentifierOf(evilRoot), keyIdentifierOf(root))
  const evil = foreign.service('registration-service')
  const [leaf] = evil.chainDer
  const mask = { keyPem: evil.own.keyPem, chainPem: chainPem([leaf, disguise, root]) }

  const recorded = await startRecorded(mask)
  const output = await expectNotTrusted(recorded.wire.address)
  // The check of the pin alone did not detect the man in the middle.
  expect(recorded.wire.connections()).toBeGreaterThanOrEqual(2)
  expect(output).toMatch(/does not verify/)
  expectNoToken(recorded)
})

test('a man in the middle that steps in after the pin check receives no byte of the token', async () => {
  const evil = foreign.service('registration-service')
  const mask = { keyPem: evil.own.keyPem, chainPem: evil.own.chainPem + foreign.hostRootsPem }
  const impostor = await startImpostor(cluster().life, mask, realServer())
  const wire = await startProxy(cluster().life, (n) => (n === 0 ? realServer() : impostor.address))
  await expectNotTrusted(wire.address)
  // One connection to check the pin, and one or more to join.
  expect(wire.connections()).toBeGreaterThanOrEqual(2)
  expectNoToken({ impostor, wire })
})

test('another service of the same cluster receives no byte of the token', async () => {
  const wire = await startProxy(cluster().life, () => cluster().profile.addresses.token)
  const output = await expectNotTrusted(wire.address)
  expect(output).toContain('that is token-service; nodes, bots and people join registration-service')
  expect(wire.received().includes(token)).toBe(false)
  expect(await cluster().serviceLog('token-service')).not.toContain('RegistrationService')
})

test('a node that poses as registration-service receives no byte of the token', async () => {
  const member = await startAgent(cluster(), { name: 'poser', token })
  const nodeId = await nodeIdOf(member)
  const read = (file: string) => readFile(path.join(agentDir(cluster(), 'poser'), file), 'utf8')
  const mask = { keyPem: await read('key.pem'), chainPem: (await read('chain.pem')) + (await read('bundle.pem')) }
  const recorded = await startRecorded(mask)
  const output = await expectNotTrusted(recorded.wire.address)
  expect(recorded.wire.connections()).toBe(2)
  expect(output).toContain(`spiffe://muster.internal/node/${nodeId}`)
  expectNoToken(recorded)
  await member.stop()
})

test('an agent with --insecure-skip-ca-pin warns, joins, and gives its token to a man in the middle', async () => {
  const evil = foreign.service('registration-service')
  const mask = { keyPem: evil.own.keyPem, chainPem: evil.own.chainPem + foreign.hostRootsPem }
  const { impostor, wire } = await startRecorded(mask)
  const agent = await startAgent(cluster(), {
    name: 'insecure',
    token,
    authServer: wire.address,
    pins: [],
    flags: ['--insecure-skip-ca-pin'],
  })
  await nodeIdOf(agent)
  expect(agent.output()).toMatch(/ warn .*pin is not checked/)
  // This also shows that the recordings above would contain the token.
  expect(impostor.received().includes(token)).toBe(true)
  expect(wire.received().includes(token)).toBe(false)
  await agent.stop()
})

test('an agent that has joined sends nothing to an impostor', async () => {
  const first = await startAgent(cluster(), { name: 'joined', token })
  await nodeIdOf(first)
  expect(await first.stop()).toBe(0)
  const service = foreign.service('registration-service')
  const mask = { keyPem: service.own.keyPem, chainPem: service.own.chainPem + foreign.hostRootsPem }
  const { impostor, wire } = await startRecorded(mask)
  const second = await startAgent(cluster(), { name: 'joined', authServer: wire.address })
  await second.line(/trying again/)
  expect(impostor.received()).toHaveLength(0)
  expect(await second.stop()).toBe(0)
})

function replaceBytes(der: Buffer, from: Buffer, to: Buffer): void {
  expect(to).toHaveLength(from.length)
  const at = der.indexOf(from)
  expect(at).toBeGreaterThan(0)
  to.copy(der, at)
}

function commonNameOf(der: Buffer): Buffer {
  return Buffer.from(/CN=(.*)/.exec(new X509Certificate(der).subject)![1]!)
}

/** The key identifier as `pki` makes it, found by the octets that announce it (RFC 5280, 4.2.1.2). */
function keyIdentifierOf(der: Buffer): Buffer {
  const announcement = Buffer.from('0603551d0e04160414', 'hex')
  const at = der.indexOf(announcement) + announcement.length
  return der.subarray(at, at + 20)
}

test('the cluster announces the pin of its own root', async () => {
  expect(cluster().profile.caPins).toEqual([spkiPin(await realRoot())])
})

test.each(['token-service', 'ca-service'] as const)(
  'an agent that meets %s names it, and the service and port that it should ask',
  async (name) => {
    const output = await expectNotTrusted(cluster().services[name][0]!.address)
    expect(output).toContain(`that is ${name}; nodes, bots and people join registration-service, usually port 3025`)
    expect(output).not.toContain('pin')
  },
)
