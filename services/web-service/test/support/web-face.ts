import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import os from 'node:os'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { IncomingHttpHeaders } from 'node:http'
import { ca } from '@muster/contracts'
import { splitAddress } from '@muster/domain'
import { parseCsr } from '@muster/pki'
import { anyone, bindService } from '@muster/rpc'
import { Lifecycle, systemClock } from '@muster/runtime'
import { parseConfig } from '@muster/service-kit'
import { testCluster, type TestCluster } from '@muster/testkit'
import { memoryLog } from '@muster/testkit/log'
import { serveForTest } from '@muster/testkit/rpc'
import { startApp } from '../../src/app.ts'
import { configSchema } from '../../src/config.ts'

const DAY_MS = 86_400_000

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  text: string
}

/** How a client asks. */
export interface AskOptions {
  /** The roots that it trusts; default the cluster's. */
  ca?: string
  method?: string
  headers?: Record<string, string>
  body?: string
}

/** A web face with a ca-service of its own, as real TLS servers. */
export interface WebFace {
  cluster: TestCluster
  /** HOST:PORT */
  address: string
  diagnosticsAddress: string
  /** A temporary folder. */
  folder: string
  life: Lifecycle
  lines: Record<string, unknown>[]
  /** What ca-service answers from now on. */
  bundle: { hostRootsDer: Buffer[] }
  ask(url: string, options?: AskOptions): Promise<Answer>
  /** Writes a file into the folder. @returns its path */
  write(name: string, content: string | Buffer): Promise<string>
}

/** The variables of a web face, once its folder is known. */
export type Variables = (write: WebFace['write'], folder: string) => Promise<Record<string, string>>

/** Starts a web face; its `life` stops it. A start that fails leaves nothing open. */
export async function startWebFace(variables: Variables = async () => ({})): Promise<WebFace> {
  const life = new Lifecycle()
  try {
    return await startIn(life, variables)
  } catch (error) {
    await life.close()
    throw error
  }
}

async function startIn(life: Lifecycle, variables: Variables): Promise<WebFace> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'muster-web-'))
  life.own('folder', folder, (f) => rm(f, { recursive: true }))
  const write = async (name: string, content: string | Buffer) => {
    const file = path.join(folder, name)
    await writeFile(file, content)
    return file
  }
  const cluster = testCluster()
  const bundle = { hostRootsDer: [cluster.authorities.host.root.certificateDer] }
  const authority = await serveAuthority(cluster, bundle)
  life.own('authority', authority, (server) => server.close())
  const { log, lines } = memoryLog()
  const config = parseConfig(configSchema, {
    MUSTER_LISTEN_ADDR: '127.0.0.1:0',
    MUSTER_DIAGNOSTICS_ADDR: '127.0.0.1:0',
    MUSTER_DRAIN_TIMEOUT_MS: '1000',
    MUSTER_CA_ADDRS: authority.address,
    MUSTER_CA_PINS: cluster.pin,
    MUSTER_ENROLL_TOKEN_FILE: await write('enrol-token', 'CANARY-enrolment-token-of-web-service'),
    MUSTER_PUBLIC_ADDR: 'web.example:3080',
    ...(await variables(write, folder)),
  })
  await startApp({ config, log, life, clock: systemClock })
  const ready = lines.find(({ event }) => event === 'service.ready') as unknown as {
    address: string
    diagnosticsAddress: string
  }
  return {
    ...ready,
    cluster,
    folder,
    life,
    lines,
    bundle,
    write,
    ask: (url, options = {}) => ask(ready.address, url, { ca: cluster.hostRootsPem, ...options }),
  }
}

function ask(address: string, url: string, { ca: roots, method = 'GET', headers = {}, body }: AskOptions) {
  const { host, port } = splitAddress(address)
  return new Promise<Answer>((resolve, reject) => {
    const options = { host, port, path: url, method, headers, ca: roots, servername: 'localhost', agent: false }
    const sent = httpsRequest(options, (response) => {
      const { statusCode, headers: found } = response
      buffer(response).then(
        (whole) => resolve({ status: statusCode!, headers: found, body: whole, text: whole.toString() }),
        reject,
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

function serveAuthority(cluster: TestCluster, bundle: WebFace['bundle']) {
  const trustBundle = () => ({ version: 1, clusterName: cluster.clusterName, userRootsDer: [], ...bundle })
  const { enrollService, getTrustBundle } = ca.CaServiceService
  const service = bindService(
    { enrollService, getTrustBundle },
    {
      enrollService: {
        callers: anyone,
        handle: async ({ serviceName: name, csrDer, dnsNames }) => {
          const expiresAt = new Date(Date.now() + DAY_MS)
          const { publicKeyDer } = parseCsr(csrDer)
          const made = cluster.certify({ kind: 'service', name, dnsNames, publicKeyDer, notAfter: expiresAt })
          const chainDer = [made.leafDer, cluster.authorities.host.issuing.certificateDer]
          return { certificate: { chainDer, serial: made.serial, expiresAt }, trustBundle: trustBundle() }
        },
      },
      getTrustBundle: { callers: anyone, handle: async () => ({ trustBundle: trustBundle() }) },
    },
  )
  const identity = cluster.service('ca-service')
  return serveForTest({ clusterName: cluster.clusterName, identity, services: [service] })
}
