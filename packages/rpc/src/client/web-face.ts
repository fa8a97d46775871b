import type { ClientRequest } from 'node:http'
import { get } from 'node:https'
import { isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { splitAddress } from '@muster/domain'
import { expectService } from '../tls/server-trust.ts'
import { dialTls } from './dial/dial.ts'
import type { ProxyFor } from './dial/proxies.ts'

/** The web face of a cluster, and how to know it. */
export interface WebFace {
  /** HOST:PORT */
  address: string
  /** How to know it by a certificate of its cluster. */
  cluster?: { name: string; hostRootsPem: string } | undefined
  /**
   * Whether a certificate that any machine knows will do too. Accept one only for a host that a person has named: anybody can get
   * a public certificate for a host of their own.
   */
  acceptsPublic: boolean
  signal: AbortSignal
  /** The proxy for an address, if there is one. */
  proxyFor: ProxyFor
  /** Roots that any machine knows; default those of this Node. */
  publicRoots?: string | undefined
}

/** What a web face answered. */
export interface WebAnswer {
  status: number
  body: Buffer
  /** Its certificate is one that any machine knows. */
  isPublic: boolean
}

const TIMEOUT_MS = 3_000
const MOST_BYTES = 1024 * 1024

/**
 * Reads a page of the web face, over a connection that the cluster's roots verify, or else, where those are accepted, the public
 * ones. A page may have 1 MiB, and may take 3 s.
 * @throws DialError if it cannot be reached or its certificate does not verify; Error if it does not answer
 */
export async function askWebFace(face: WebFace, path: string): Promise<WebAnswer> {
  const { cluster, acceptsPublic, publicRoots } = face
  if (cluster !== undefined) {
    const check = expectService('web-service', cluster.name)
    const trust = { ca: cluster.hostRootsPem, checkServerIdentity: (_host: string, shown: Shown) => check(shown) }
    try {
      return { ...(await read(face, path, trust)), isPublic: false }
    } catch (error) {
      if (!acceptsPublic || !isUntrusted(error)) throw error
    }
  }
  if (!acceptsPublic) throw new Error('no roots are known that could verify it')
  return { ...(await read(face, path, publicRoots === undefined ? {} : { ca: publicRoots })), isPublic: true }
}

type Shown = Parameters<NonNullable<ConnectionOptions['checkServerIdentity']>>[1]

/** Whether the certificate is what the connection failed of. */
function isUntrusted(error: unknown): boolean {
  // The dialler wraps the error of the handshake.
  const { code = '', name } = ((error as Error).cause ?? error) as NodeJS.ErrnoException
  return name === 'ServerNotTrustedError' || /CERT|SIGNATURE|ALTNAME|ISSUER/.test(code)
}

async function read({ address, signal, proxyFor }: WebFace, path: string, trust: ConnectionOptions) {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
  try {
    const { host } = splitAddress(address)
    const tls = { rejectUnauthorized: true, ...(isIP(host) === 0 && { servername: host }), ...trust }
    const socket = await dialTls({ address, proxyFor, limitMs: TIMEOUT_MS, signal }, { host, ...tls })
    return await readAnswer(get({ host, path, createConnection: () => socket, signal: limit }), path)
  } catch (error) {
    if (limit.aborted && !signal.aborted) throw new Error('it did not answer in 3 s', { cause: error })
    throw error
  }
}

function readAnswer(request: ClientRequest, path: string): Promise<Omit<WebAnswer, 'isPublic'>> {
  return new Promise((resolve, reject) => {
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > MOST_BYTES) request.destroy(new Error(`${path} is too large`))
        chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode!, body: Buffer.concat(chunks) }))
    })
    request.on('error', reject)
  })
}
