import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import { registration } from '@muster/contracts'
import { splitAddress } from '@muster/domain'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { agentDir, nodeIdOf, startAgent } from '../harness/agent.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { joinDirectly } from '../harness/joining.ts'
import type { Program } from '../harness/program.ts'
import { waitFor } from '../harness/waiting.ts'

const TTL_SECONDS = 10
const RENEWALS = 2

const cluster = useCluster({
  env: {
    'ca-service': {
      MUSTER_NODE_CERTIFICATE_TTL_SECONDS: String(TTL_SECONDS),
      MUSTER_SERVICE_CERTIFICATE_TTL_SECONDS: String(TTL_SECONDS),
    },
    'registration-service': { MUSTER_HEARTBEAT_INTERVAL_MS: '2000' },
  },
})

let agent: Program
let nodeId: string
let first: X509Certificate

beforeAll(async () => {
  const { value } = await cluster().operator.makeToken()
  agent = await startAgent(cluster(), { name: 'renewing', token: value })
  nodeId = await nodeIdOf(agent)
  await agent.line(/ online$/)
  first = await nodeCertificate()
})
afterAll(async () => {
  expect(await agent.stop()).toBe(0)
})

async function nodeCertificate(): Promise<X509Certificate> {
  return new X509Certificate(await readFile(path.join(agentDir(cluster(), 'renewing'), 'chain.pem')))
}

/** The certificate that a service shows at present. */
function shownBy(address: string): Promise<X509Certificate> {
  const { host, port } = splitAddress(address)
  return new Promise((resolve, reject) => {
    const socket = tlsConnect({ host, port: port!, rejectUnauthorized: false, ALPNProtocols: ['h2'] }, () => {
      resolve(new X509Certificate(socket.getPeerCertificate().raw))
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

test('a running node renews its certificate and stays online past the end of the first one', async () => {
  const serials = new Set<string>()
  const statuses = new Set<registration.NodeStatus>()
  await waitFor(
    `${RENEWALS} renewals and the end of the first certificate`,
    async () => {
      serials.add((await nodeCertificate()).serialNumber)
      for (const { status } of await cluster().operator.roll()) statuses.add(status)
      return serials.size > RENEWALS && new Date(first.validTo).getTime() < Date.now()
    },
    { limitMs: 2 * (RENEWALS + 1) * TTL_SECONDS * 1000 },
  )
  const [node] = await cluster().operator.roll()
  expect(node).toMatchObject({ id: nodeId, status: registration.NodeStatus.ONLINE })
  expect(node!.certificateExpiresAt!.getTime()).toBeGreaterThan(Date.now())
  expect((await nodeCertificate()).publicKey.equals(first.publicKey)).toBe(true)
  expect(agent.lines.filter((line) => / (?:warn|error) /.test(line))).toEqual([])
  expect(statuses).toEqual(new Set([registration.NodeStatus.ONLINE]))
})

test('a node renews its certificate once per life, in the second half', async () => {
  const { rows } = await cluster().db.query(
    `select issued_at from ca.certificates where spiffe_id like '%/node/' || $1 order by issued_at`,
    [nodeId],
  )
  const times = rows.map((row: { issued_at: Date }) => row.issued_at.getTime())
  const gaps = times.slice(1).map((time, i) => time - times[i]!)
  expect(gaps.length).toBeGreaterThanOrEqual(RENEWALS)
  for (const gap of gaps) {
    expect(gap).toBeGreaterThan(TTL_SECONDS * 500 - 1_500)
    expect(gap).toBeLessThan(TTL_SECONDS * 1000)
  }
})

test('services renew their own certificates, and joins continue past the end of the first ones without a restart', async () => {
  const { services, operator } = cluster()
  for (const service of Object.values(services).flat()) {
    const certificate = await shownBy(service.address)
    expect(new Date(certificate.validTo).getTime()).toBeGreaterThan(Date.now())
    expect(new Date(certificate.validTo).getTime()).toBeLessThan(Date.now() + TTL_SECONDS * 1000 + 1_000)
    expect(service.hasExited()).toBe(false)
  }
  // All services have been up for longer than a certificate lives, since the first node's has ended.
  const { value } = await operator.makeToken()
  const reply = await joinDirectly(cluster(), { token: value })
  expect((await operator.roll()).map(({ id }) => id)).toContain(reply.nodeId)
})
