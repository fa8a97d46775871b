import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { testCluster, type TestCluster, type TestMember } from '@muster/testkit'
import { serveForTest } from '@muster/testkit/rpc'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import tls from 'node:tls'
import type { RpcServer } from '../server/serve.ts'
import { connections, sampleService, sayWhoCalls, whoAmI } from '@muster/testkit/rpc'
import { testWithOpenssl } from '@muster/testkit/tools'

// The client's side of an HTTP/2 connection (RFC 9113 §3.4): the preface and an empty SETTINGS frame.
const HTTP2_PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from('000000040000000000', 'hex'),
])

const { open, closeAll } = connections()
let cluster: TestCluster
let node: TestMember
let server: RpcServer
let port: number

beforeAll(async () => {
  cluster = testCluster()
  node = cluster.node()
  server = await serveForTest({
    clusterName: cluster.clusterName,
    identity: cluster.service('registration-service'),
    services: [sampleService({ getTrustBundle: sayWhoCalls })],
  })
  port = Number(server.address.split(':')[1])
})
afterAll(async () => {
  closeAll()
  await server.close()
})

function options(overrides: tls.ConnectionOptions = {}): tls.ConnectionOptions {
  return {
    host: '127.0.0.1',
    port,
    ca: cluster.hostRootsPem,
    key: node.own.keyPem,
    cert: node.own.chainPem,
    ALPNProtocols: ['h2'],
    checkServerIdentity: () => undefined,
    ...overrides,
  }
}

interface Handshake {
  protocol: string | null
  reused: boolean
  session: Buffer | undefined
}

/** Connects, speaks HTTP/2 until the server has answered - sessions are sent before that - and closes. */
function handshake(overrides: tls.ConnectionOptions = {}): Promise<Handshake> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect(options(overrides))
    let session: Buffer | undefined
    socket.on('session', (newest: Buffer) => (session = newest))
    socket.on('error', reject)
    socket.on('secureConnect', () => socket.write(HTTP2_PREFACE))
    socket.on('data', () => {
      resolve({ protocol: socket.getProtocol(), reused: socket.isSessionReused(), session })
      socket.destroy()
    })
    socket.on('close', () => reject(new Error('closed')))
  })
}

describe('the protocol', () => {
  test('the protocol is TLS 1.3', async () => {
    expect((await handshake()).protocol).toBe('TLSv1.3')
  })

  test.each(['TLSv1', 'TLSv1.1', 'TLSv1.2'] as const)('the server rejects %s', async (version) => {
    const old = handshake({ minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' })
    await expect(old).rejects.toMatchObject({ code: expect.stringMatching(/PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/) })
  })

  test('the client rejects TLS 1.2', async () => {
    const service = cluster.service('registration-service')
    const old = tls.createServer({
      key: service.own.keyPem,
      cert: service.own.chainPem,
      maxVersion: 'TLSv1.2',
      ALPNProtocols: ['h2'],
    })
    await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve))
    const address = `127.0.0.1:${(old.address() as { port: number }).port}`
    await expect(whoAmI(open(address, node))).rejects.toMatchObject({ kind: 'unavailable' })
    await new Promise((resolve) => old.close(resolve))
  })
})

describe('a session', () => {
  test('a session cannot be resumed', async () => {
    const first = await handshake()
    expect(first.reused).toBe(false)
    const second = await handshake(first.session === undefined ? {} : { session: first.session })
    expect(second.reused).toBe(false)
  })

  test('a session would be resumed by this client if the server allowed it', async () => {
    const service = cluster.service('registration-service')
    const lax = tls.createServer({ key: service.own.keyPem, cert: service.own.chainPem, ALPNProtocols: ['h2'] })
    lax.on('secureConnection', (socket) => {
      socket.on('error', () => {})
      socket.on('data', () => socket.write('hello'))
    })
    await new Promise<void>((resolve) => lax.listen(0, '127.0.0.1', resolve))
    const toLax = { port: (lax.address() as { port: number }).port }
    const { session } = await handshake(toLax)
    expect((await handshake({ ...toLax, session })).reused).toBe(true)
    await new Promise((resolve) => lax.close(resolve))
  })

  testWithOpenssl('a session cannot be resumed by OpenSSL either', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'muster-tls-'))
    writeFileSync(path.join(folder, 'node.pem'), node.own.chainPem + node.own.keyPem, { mode: 0o600 })
    writeFileSync(path.join(folder, 'root.pem'), cluster.hostRootsPem)
    const common = ['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', 'root.pem', '-alpn', 'h2']
    const identity = ['-cert', 'node.pem', '-key', 'node.pem', '-cert_chain', 'node.pem']
    const sClient = (...args: string[]) =>
      new Promise<string>((resolve) => {
        const child = spawn('openssl', [...common, ...identity, ...args], { cwd: folder })
        let output = ''
        child.stdout.on('data', (chunk: Buffer) => {
          output += chunk.toString('latin1')
          // The server's first HTTP/2 frame, SETTINGS, follows any session that it sends.
          if (output.includes('\x04\0\0\0\0\0')) child.stdin.end()
        })
        child.stdin.on('error', () => {})
        child.on('close', () => resolve(output))
      })
    try {
      const first = await sClient('-sess_out', 'session')
      expect(first).toContain('New, TLSv1.3')
      expect(first).toContain('Verify return code: 0 (ok)')
      const second = await sClient('-sess_in', 'session')
      expect(second).toContain('New, TLSv1.3')
      expect(second).not.toContain('Reused')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
