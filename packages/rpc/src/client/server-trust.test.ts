import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { AppError, type ServiceName } from '@muster/domain'
import { testCluster, type TestCluster, type TestMember } from '@muster/testkit'
import { serveForTest } from '@muster/testkit/rpc'
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import tls from 'node:tls'
import { promisify } from 'node:util'
import { anyone } from '../server/callers.ts'
import { isTrustFailure } from './explain-failure.ts'
import { fetchPinnedRoot } from './pinned-root.ts'
import type { RpcServer } from '../server/serve.ts'
import { connections, contract, rejection, sampleService, sayWhoCalls, whoAmI } from '@muster/testkit/rpc'
import { testWithOpenssl } from '@muster/testkit/tools'

const { open, closeAll } = connections()
const servers: RpcServer[] = []
let cluster: TestCluster
let foreign: TestCluster
let calls = 0

beforeAll(() => {
  cluster = testCluster()
  foreign = testCluster(cluster.clusterName)
})
afterAll(async () => {
  closeAll()
  await Promise.all(servers.map((server) => server.close()))
})

async function serveAs(identity: TestMember): Promise<RpcServer> {
  const counted = {
    callers: anyone,
    handle: async (...args: Parameters<typeof sayWhoCalls.handle>) => {
      calls += 1
      return sayWhoCalls.handle(...args)
    },
  }
  const { clusterName } = cluster
  const server = await serveForTest({ clusterName, identity, services: [sampleService({ getTrustBundle: counted })] })
  servers.push(server)
  return server
}

describe('a server', () => {
  test('a server that is the expected service is trusted', async () => {
    const server = await serveAs(cluster.service('registration-service'))
    const connection = open(server.address, cluster.anonymous(), { clusterName: cluster.clusterName })
    expect(await whoAmI(connection)).toBe('anonymous')
  })

  test.each<[string, () => TestMember]>([
    ['another service of the cluster', () => cluster.service('token-service')],
    ['a node of the cluster', () => cluster.node()],
    ['a person of the cluster', () => cluster.user('ada', 'admin')],
    [
      'a person that the host CA calls a service of another cluster',
      () => cluster.member({ kind: 'service', name: 'registration-service', clusterName: 'other.internal' }),
    ],
    ['the same service of a foreign cluster of the same name', () => foreign.service('registration-service')],
    [
      'a service that the user CA has signed',
      () =>
        cluster.member({
          kind: 'service',
          name: 'registration-service',
          signedBy: cluster.authorities.user.issuing,
        }),
    ],
  ])('a server that is %s is not trusted, and gets no call', async (_what, identity) => {
    const server = await serveAs(identity())
    calls = 0
    const connection = open(server.address, cluster.node(), { clusterName: cluster.clusterName })
    const error = await rejection(whoAmI(connection))
    expect(error.kind).toBe('unavailable')
    expect(isTrustFailure(error)).toBe(true)
    expect(calls).toBe(0)
  })

  test('a server is verified whatever the environment says about TLS', async () => {
    const server = await serveAs(foreign.service('registration-service'))
    const before = calls
    // A separate process, since the test needs the real environment, which jest hides from its tests.
    const program = `
      import { ca } from '@muster/contracts'
      import { connect, isTrustFailure, TlsIdentity } from '@muster/rpc'
      const identity = new TlsIdentity(JSON.parse(process.argv[1]))
      const connection = connect({ addresses: [process.argv[2]], identity, service: 'registration-service' })
      await connection.client(ca.CaServiceService).getTrustBundle({}).then(
        () => console.log('took the call'),
        (error) => console.log(isTrustFailure(error) ? 'not trusted' : error.message),
      )
      connection.close()`
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--no-warnings', '--input-type=module', '-e', program, JSON.stringify(cluster.anonymous()), server.address],
      { cwd: import.meta.dirname, env: { PATH: process.env['PATH'], NODE_TLS_REJECT_UNAUTHORIZED: '0' } },
    )
    expect(stdout).toBe('not trusted\n')
    expect(calls).toBe(before)
  })

  test('a server that is not trusted is distinguished from one that cannot be reached', async () => {
    const server = await serveAs(cluster.service('registration-service'))
    await server.close()
    const error = await rejection(whoAmI(open(server.address, cluster.anonymous())))
    expect(error.kind).toBe('unavailable')
    expect(isTrustFailure(error)).toBe(false)
  })

  test('a server that is trusted stays trusted when it answers unavailable', async () => {
    const { clusterName } = cluster
    const server = await serveForTest({
      clusterName,
      identity: cluster.service('registration-service'),
      services: [
        sampleService({
          getTrustBundle: {
            callers: anyone,
            handle: async () => {
              throw new AppError('unavailable', "the server's certificate does not verify: said by a server")
            },
          },
        }),
      ],
    })
    servers.push(server)
    const error = await rejection(open(server.address, cluster.anonymous()).client(contract).getTrustBundle({}))
    expect(error.kind).toBe('unavailable')
    expect(isTrustFailure(error)).toBe(false)
  })

  test('a server is checked by its service name, not by its address', async () => {
    const names: ServiceName[] = ['token-service', 'ca-service']
    for (const name of names) {
      const server = await serveAs(cluster.service(name))
      const right = open(server.address, cluster.anonymous(), { service: name })
      expect(await whoAmI(right)).toBe('anonymous')
    }
  })
})

describe('a pinned root', () => {
  const OTHER_PIN = `sha256:${'0'.repeat(64)}`

  test('a pinned root is found when it matches, and is then the only root needed', async () => {
    const { address } = await serveAs(cluster.service('registration-service'))
    const rootPem = await fetchPinnedRoot({ address, pins: [cluster.pin] })
    expect(rootPem).toBe(cluster.hostRootsPem)
    expect(await whoAmI(open(address, { hostRootsPem: rootPem, userRootsPem: '' }))).toBe('anonymous')
  })

  test('a pinned root may be any of several', async () => {
    const { address } = await serveAs(cluster.service('registration-service'))
    expect(await fetchPinnedRoot({ address, pins: [OTHER_PIN, foreign.pin, cluster.pin] })).toBe(cluster.hostRootsPem)
  })

  test.each<[string, () => TestMember, () => string[]]>([
    ['another pin', () => cluster.service('registration-service'), () => [OTHER_PIN]],
    ['no pin at all', () => cluster.service('registration-service'), () => []],
    ['another cluster', () => foreign.service('registration-service'), () => [cluster.pin]],
    [
      'the user root',
      () => ({ ...cluster.service('registration-service'), hostRootsPem: cluster.userRootsPem }),
      () => [cluster.pin],
    ],
  ])('a root that does not match the pin is a failure of trust: %s', async (_what, identity, pins) => {
    const { address } = await serveAs(identity())
    const error = await rejection(fetchPinnedRoot({ address, pins: pins() }))
    expect(isTrustFailure(error)).toBe(true)
    expect(error.message).toContain('No secret was sent')
  })

  test('a root whose pin differs in a single hex digit is a failure of trust, whichever digit it is', async () => {
    const { address } = await serveAs(cluster.service('registration-service'))
    const pins = Array.from({ length: 64 }, (_digit, index) => {
      const at = 'sha256:'.length + index
      return cluster.pin.slice(0, at) + (cluster.pin[at] === '0' ? '1' : '0') + cluster.pin.slice(at + 1)
    })
    expect(isTrustFailure(await rejection(fetchPinnedRoot({ address, pins })))).toBe(true)
    expect(await fetchPinnedRoot({ address, pins: [...pins, cluster.pin] })).toBe(cluster.hostRootsPem)
  })

  test('a pinned root shown behind a certificate of another CA is not accepted, and a client that has the root does not call', async () => {
    const thief = { ...foreign.service('registration-service'), hostRootsPem: cluster.hostRootsPem }
    const { address } = await serveAs(thief)
    calls = 0
    const refused = await rejection(fetchPinnedRoot({ address, pins: [cluster.pin] }))
    expect(isTrustFailure(refused)).toBe(true)
    expect(refused.message).toContain('it shows no root at all')
    const error = await rejection(whoAmI(open(address, { hostRootsPem: cluster.hostRootsPem, userRootsPem: '' })))
    expect(isTrustFailure(error)).toBe(true)
    expect(calls).toBe(0)
  })

  test('without a pin, the client accepts whichever root is shown', async () => {
    const { address } = await serveAs(foreign.service('registration-service'))
    expect(await fetchPinnedRoot({ address, pins: undefined })).toBe(foreign.hostRootsPem)
  })

  testWithOpenssl('a certificate that we cannot read is a failure of trust', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'muster-root-'))
    const run = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
    run('req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'key', '-out', 'csr', '-subj', '/CN=x')
    // Without extensions OpenSSL makes a certificate of version 1.
    run('x509', '-req', '-in', 'csr', '-signkey', 'key', '-out', 'cert')
    const read = (name: string) => readFileSync(path.join(folder, name), 'utf8')
    const server = tls.createServer({ key: read('key'), cert: read('cert'), ALPNProtocols: ['h2'] })
    rmSync(folder, { recursive: true })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = `127.0.0.1:${(server.address() as { port: number }).port}`
    const error = await rejection(fetchPinnedRoot({ address, pins: [cluster.pin] }))
    expect(isTrustFailure(error)).toBe(true)
    await new Promise((resolve) => server.close(resolve))
  })

  test('a client waits for the root of a silent server no longer than asked', async () => {
    const silent = net.createServer((socket) => socket.on('error', () => {}).resume())
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const address = `127.0.0.1:${(silent.address() as { port: number }).port}`
    const error = await rejection(fetchPinnedRoot({ address, pins: [cluster.pin], limitMs: 100 }))
    expect(error.kind).toBe('unavailable')
    expect(isTrustFailure(error)).toBe(false)
    const stopped = await rejection(fetchPinnedRoot({ address, pins: [cluster.pin], signal: AbortSignal.timeout(50) }))
    expect(stopped.message).toBe('stopped')
    await new Promise((resolve) => silent.close(resolve))
  })

  test('a server that cannot be reached is not a failure of trust', async () => {
    const server = await serveAs(cluster.service('registration-service'))
    await server.close()
    const error = await rejection(fetchPinnedRoot({ address: server.address, pins: [cluster.pin] }))
    expect(error.kind).toBe('unavailable')
    expect(isTrustFailure(error)).toBe(false)
  })
})
