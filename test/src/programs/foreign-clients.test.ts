import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { errorDetails } from '@muster/contracts'
import { type ServingService, splitAddress } from '@muster/domain'
import { chainPem, createCsr, dersFromPem, generateKey } from '@muster/pki'
import { testWithOpenssl } from '@muster/testkit/tools'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { agentDir, nodeIdOf, startAgent } from '../harness/agent.ts'
import { useSharedCluster } from '../harness/use-cluster.ts'
import { runTool, type ToolResult } from '../harness/tool.ts'

const { BadRequest, ErrorInfo } = errorDetails

const UNAUTHENTICATED = 16
const CONTRACT: Record<ServingService, string> = {
  'ca-service': 'muster.ca.v1.CaService',
  'token-service': 'muster.token.v1.TokenService',
  'registration-service': 'muster.registration.v1.RegistrationService',
}
const PROGRAMS = Object.keys(CONTRACT) as ServingService[]

const cluster = useSharedCluster()
let folder: string
let nodeId: string

beforeAll(async () => {
  folder = path.join(cluster().dataDir, 'foreign')
  await mkdir(folder)
  const { value } = await cluster().operator.makeToken()
  const agent = await startAgent(cluster(), { name: 'foreign', token: value })
  nodeId = await nodeIdOf(agent)
})

describe('buf curl, a client written in Go', () => {
  const buf = fileURLToPath(new URL('../../../node_modules/.bin/buf', import.meta.url))
  const protos = fileURLToPath(new URL('../../../protos', import.meta.url))

  /** Checks the name localhost, as programs without SPIFFE do. */
  function curl(program: ServingService, call: string, flags: readonly string[]): Promise<ToolResult> {
    const { port } = splitAddress(cluster().services[program][0]!.address)
    const roots = path.join(cluster().operatorDir, 'bundle.pem')
    return runTool(buf, ['curl', '--protocol=grpc', `--cacert=${roots}`, ...flags, `https://localhost:${port}${call}`])
  }

  function asOperator(): string[] {
    const file = (name: string) => path.join(cluster().operatorDir, name)
    return [`--cert=${file('chain.pem')}`, `--key=${file('key.pem')}`]
  }

  async function healthSchema(): Promise<string> {
    const proto = [
      'syntax = "proto3";',
      'package grpc.health.v1;',
      'service Health { rpc Check(HealthCheckRequest) returns (HealthCheckResponse); }',
      'message HealthCheckRequest { string service = 1; }',
      'message HealthCheckResponse {',
      '  enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; }',
      '  ServingStatus status = 1;',
      '}',
    ]
    const file = path.join(folder, 'health.proto')
    await writeFile(file, proto.join('\n'))
    return `--schema=${file}`
  }

  test.each(PROGRAMS)("buf curl lists what %s serves by reflection with an operator's certificate", async (program) => {
    const { status, stdout, stderr } = await curl(program, '', [...asOperator(), '--list-methods'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain(`${CONTRACT[program]}/`)
  })

  test.each(PROGRAMS)('buf curl without a certificate is refused reflection by %s', async (program) => {
    const { status, stderr } = await curl(program, '', ['-v', '--list-methods'])
    expect(status).not.toBe(0)
    expect(stderr).toContain(`Grpc-Status: ${UNAUTHENTICATED}\n`)
  })

  test('buf curl calls ListNodes with what reflection tells it', async () => {
    const call = `/${CONTRACT['registration-service']}/ListNodes`
    const { status, stdout, stderr } = await curl('registration-service', call, asOperator())
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(JSON.parse(stdout)).toMatchObject({
      nodes: expect.arrayContaining([expect.objectContaining({ id: nodeId, hostname: 'foreign', roles: ['node'] })]),
    })
  })

  test('buf curl creates a token by reflection, and may leave out optional fields', async () => {
    const call = `/${CONTRACT['token-service']}/CreateToken`
    const data = `--data=${JSON.stringify({ roles: ['node'], ttlSeconds: 60, maxUses: 1 })}`
    const { status, stdout } = await curl('token-service', call, [...asOperator(), data])
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ token: { roles: ['node'], maxUses: 1 } })
  })

  test('buf curl without a certificate is refused ListNodes, even with the contract', async () => {
    const call = `/${CONTRACT['registration-service']}/ListNodes`
    const { status, stderr } = await curl('registration-service', call, [`--schema=${protos}`])
    expect(status).toBe(UNAUTHENTICATED << 3)
    expect(stderr).toContain('client certificate')
  })

  test('buf curl reads the reason and the field of an error', async () => {
    const call = `/${CONTRACT['token-service']}/CreateToken`
    const data = `--data=${JSON.stringify({ roles: ['nobody'], ttlSeconds: 60 })}`
    const { stderr } = await curl('token-service', call, [...asOperator(), data])
    const { code, details } = JSON.parse(stderr) as { code: string; details: { type: string; value: string }[] }
    expect({ code, types: details.map(({ type }) => type) }).toEqual({
      code: 'invalid_argument',
      types: ['google.rpc.ErrorInfo', 'google.rpc.BadRequest'],
    })
    const [info, request] = details.map(({ value }) => Buffer.from(value, 'base64'))
    expect(ErrorInfo.decode(info!)).toMatchObject({ reason: 'INVALID_FIELD', domain: 'muster' })
    expect(BadRequest.decode(request!).fieldViolations).toMatchObject([{ field: 'roles' }])
  })

  test.each(PROGRAMS)('buf curl without a certificate is told the health of %s', async (program) => {
    const { status, stdout, stderr } = await curl(program, '/grpc.health.v1.Health/Check', [await healthSchema()])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(JSON.parse(stdout)).toEqual({ status: 'SERVING' })
  })
})

describe('OpenSSL', () => {
  interface Chain {
    leaf: string
    issuing: string
    root: string
  }

  async function write(name: string, pem: string): Promise<string> {
    const file = path.join(folder, name)
    await writeFile(file, pem)
    return file
  }

  async function chainFiles(name: string, chain: readonly Buffer[], root: Buffer): Promise<Chain> {
    const [leaf, issuing] = chain
    return {
      leaf: await write(`${name}.pem`, chainPem([leaf!])),
      issuing: await write(`${name}-issuing.pem`, chainPem([issuing!])),
      root: await write(`${name}-root.pem`, chainPem([root])),
    }
  }

  function shownChain(address: string): Promise<Buffer[]> {
    const { host, port } = splitAddress(address)
    return new Promise((resolve, reject) => {
      const socket = tlsConnect({ host, port: port!, rejectUnauthorized: false, ALPNProtocols: ['h2'] }, () => {
        const leaf = socket.getPeerCertificate(true)
        resolve([leaf.raw, leaf.issuerCertificate.raw])
        socket.destroy()
      })
      socket.once('error', reject)
    })
  }

  async function chains(): Promise<Record<'node' | 'user' | ServingService, Chain>> {
    const { trustBundle } = await cluster().operator.authority.getTrustBundle({})
    const [host] = trustBundle!.hostRootsDer
    const [user] = trustBundle!.userRootsDer
    const fromFolder = async (dir: string) => dersFromPem(await readFile(path.join(dir, 'chain.pem'), 'utf8'))
    const ofService = async (program: ServingService) =>
      chainFiles(program, await shownChain(cluster().services[program][0]!.address), host!)
    return {
      node: await chainFiles('node', await fromFolder(agentDir(cluster(), 'foreign')), host!),
      user: await chainFiles('user', await fromFolder(cluster().operatorDir), user!),
      'ca-service': await ofService('ca-service'),
      'token-service': await ofService('token-service'),
      'registration-service': await ofService('registration-service'),
    }
  }

  function verify({ leaf, issuing }: Chain, root: string, purpose: string): Promise<ToolResult> {
    const flags = ['-x509_strict', '-purpose', purpose, '-CAfile', root, '-untrusted', issuing]
    return runTool('openssl', ['verify', ...flags, leaf])
  }

  testWithOpenssl(
    'OpenSSL verifies the chains of node, user and services strictly, for both TLS purposes',
    async () => {
      for (const [name, chain] of Object.entries(await chains())) {
        for (const purpose of ['sslserver', 'sslclient']) {
          const { stdout, stderr } = await verify(chain, chain.root, purpose)
          expect([name, purpose, stdout, stderr]).toEqual([name, purpose, `${chain.leaf}: OK\n`, ''])
        }
      }
    },
  )

  testWithOpenssl('OpenSSL verifies no chain under the root of the other authority', async () => {
    const { node, user } = await chains()
    expect((await verify(node, user.root, 'sslserver')).status).not.toBe(0)
    expect((await verify(user, node.root, 'sslclient')).status).not.toBe(0)
  })

  testWithOpenssl('OpenSSL reads every certificate of the cluster without an error', async () => {
    for (const [name, chain] of Object.entries(await chains())) {
      for (const file of Object.values(chain)) {
        const { status, stdout } = await runTool('openssl', ['x509', '-in', file, '-noout', '-text'])
        expect([name, status]).toEqual([name, 0])
        expect(stdout).toContain('Signature Algorithm: ecdsa-with-SHA256')
      }
      const { stdout } = await runTool('openssl', ['x509', '-in', chain.leaf, '-noout', '-ext', 'subjectAltName'])
      expect(stdout).toMatch(/URI:spiffe:\/\/muster\.internal\/(?:node|user|service)\//)
    }
  })

  testWithOpenssl.each(['p256', 'ed25519'] as const)(
    'OpenSSL verifies the signature of a certificate request with a %s key',
    async (algorithm) => {
      const csr = createCsr({ privateKey: generateKey(algorithm), commonName: 'joining' })
      const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${csr.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE REQUEST-----\n`
      const { status, stderr } = await runTool('openssl', ['req', '-verify', '-noout'], { input: pem })
      expect(status).toBe(0)
      expect(stderr).toMatch(/verify OK/i)
    },
  )

  testWithOpenssl('OpenSSL completes a handshake with each service and verifies the name localhost', async () => {
    const { node } = await chains()
    for (const program of PROGRAMS) {
      const flags = ['-verify_return_error', '-verify_hostname', 'localhost', '-alpn', 'h2', '-CAfile', node.root]
      const { status, stdout } = await runTool('openssl', [
        's_client',
        '-connect',
        cluster().services[program][0]!.address,
        ...flags,
      ])
      expect([program, status]).toEqual([program, 0])
      expect(stdout).toMatch(/TLSv1\.3[\s\S]*Verif(?:y return code: 0|ication: OK)/)
    }
  })
})
