import { createHash } from 'node:crypto'
import type { ClientRequest } from 'node:http'
import { isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { ProxyFor } from '@muster/rpc'
import { messageOf, splitAddress } from '@muster/domain'

/** The web face of a cluster, and how to know it. */
export interface WebFace {
  /** HOST:PORT */
  address: string
  clusterName: string
  /** The cluster's roots that vouch for services. */
  hostRootsPem: string
  signal: AbortSignal
  /** The proxy for an address, if there is one. */
  proxyFor: ProxyFor
  /** Roots that any machine knows; default those of this Node. */
  publicRoots?: string
}

/** A command that installs Muster and joins, or why there is none; undefined if the web face has no packages. */
export type InstallLine = { line: string } | { missing: string } | undefined

const TIMEOUT_MS = 3_000
const MOST_BYTES = 1024 * 1024

/**
 * The command for a machine without Muster. With a certificate of the cluster's own, that machine cannot verify the web
 * face: this reads the script over a connection that the cluster's roots verify, and the command compares its checksum.
 */
export async function installLine(face: WebFace, invitation: string): Promise<InstallLine> {
  const url = `https://${face.address}/install.sh`
  // Loads gRPC, which the help of the command must not.
  const { expectService } = await import('@muster/rpc')
  const check = expectService('web-service', face.clusterName)
  try {
    const script = await read(face, { ca: face.hostRootsPem, checkServerIdentity: (_host, shown) => check(shown) })
    const sum = createHash('sha256').update(script).digest('hex')
    return { line: command(`curl -fsSk ${url}`, ` && echo "${sum}  $f" | sha256sum -c -`, invitation) }
  } catch (error) {
    if (!isUntrusted(error)) return noLine(error)
  }
  try {
    await read(face, face.publicRoots === undefined ? {} : { ca: face.publicRoots })
    return { line: command(`curl -fsS ${url}`, '', invitation) }
  } catch (error) {
    return noLine(error)
  }
}

/** The web face serves no install script. */
class NoScriptError extends Error {
  override readonly name = 'NoScriptError'
}

function noLine(error: unknown): InstallLine {
  return error instanceof NoScriptError ? undefined : { missing: messageOf(error) }
}

/** The invitation is in no process's arguments: the shell hands it over as standard input. */
function command(fetch: string, check: string, invitation: string): string {
  return `f=$(mktemp) && ${fetch} -o "$f"${check} && sudo sh "$f" --invitation-file - <<'END'
${invitation}
END`
}

/** Whether the certificate is what the connection failed of. */
function isUntrusted(error: unknown): boolean {
  // The dialler wraps the error of the handshake.
  const { code = '', name } = ((error as Error).cause ?? error) as NodeJS.ErrnoException
  return name === 'ServerNotTrustedError' || /CERT|SIGNATURE|ALTNAME|ISSUER/.test(code)
}

async function read({ address, signal, proxyFor }: WebFace, trust: ConnectionOptions): Promise<Buffer> {
  const [{ get }, { dialTls }] = await Promise.all([import('node:https'), import('@muster/rpc')])
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
  try {
    const { host } = splitAddress(address)
    const tls = { rejectUnauthorized: true, ...(isIP(host) === 0 && { servername: host }), ...trust }
    const socket = await dialTls({ address, proxyFor, limitMs: TIMEOUT_MS, signal }, { host, ...tls })
    return await readScript(get({ host, path: '/install.sh', createConnection: () => socket, signal: limit }))
  } catch (error) {
    if (limit.aborted && !signal.aborted) throw new Error('it did not answer in 3 s', { cause: error })
    throw error
  }
}

function readScript(request: ClientRequest): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > MOST_BYTES) request.destroy(new Error('the install script is too large'))
        chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks))
        else if (response.statusCode === 404) reject(new NoScriptError())
        else reject(new Error(`it answered with status ${response.statusCode}`))
      })
    })
    request.on('error', reject)
  })
}
