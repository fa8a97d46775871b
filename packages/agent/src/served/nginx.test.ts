import { afterAll, beforeAll, expect } from '@jest/globals'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import { connect } from 'node:tls'
import { ensureKey, type NodeIdentity, writeIdentity } from '@muster/identity'
import { systemClock } from '@muster/runtime'
import { eventually, testCluster } from '@muster/testkit'
import { memoryLog } from '@muster/testkit/log'
import { canRun, testWith } from '@muster/testkit/tools'
import { identityServer } from './serve-identity.ts'

const testWithNginx = testWith(canRun('nginx', '-v'), 'nginx')
const cluster = testCluster()
let root: string
let nginx: ChildProcess | undefined

beforeAll(async () => {
  root = await mkdtemp('/tmp/muster-nginx-')
  await chmod(root, 0o755)
})
afterAll(async () => {
  const ended = new Promise((resolve) => nginx?.once('exit', resolve) ?? resolve(0))
  nginx?.kill('SIGTERM')
  await ended
  await rm(root, { recursive: true })
})

function identity(): NodeIdentity {
  const { keyPem, chainPem } = cluster.node().own
  const profile = { nodeId: 'n', clusterName: cluster.clusterName, roles: [], authServer: 'a:1', trustBundleVersion: 1 }
  return { keyPem, chainPem, bundlePem: cluster.hostRootsPem, userBundlePem: cluster.hostRootsPem, profile }
}

const serialOf = ({ chainPem }: NodeIdentity) => new X509Certificate(chainPem).serialNumber

/** The serial that a server shows, verified under the host roots. */
function shownSerial(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', ca: cluster.hostRootsPem, checkServerIdentity: () => undefined })
    socket.once('error', () => resolve(undefined))
    socket.once('secureConnect', () => {
      resolve(socket.getPeerX509Certificate()?.serialNumber)
      socket.destroy()
    })
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

testWithNginx(
  'nginx serves the identity, and the renewed one after its reload, with no file renamed under it',
  async () => {
    const dataDir = path.join(root, 'data')
    await mkdir(dataDir, { mode: 0o700 })
    const port = await freePort()
    const config = path.join(root, 'nginx.conf')
    await writeFile(
      config,
      `pid ${root}/pid; error_log ${root}/error.log; daemon off; events {}
     http { access_log off;
       client_body_temp_path ${root}; proxy_temp_path ${root}; fastcgi_temp_path ${root}; uwsgi_temp_path ${root}; scgi_temp_path ${root};
       server { listen 127.0.0.1:${port} ssl; ssl_protocols TLSv1.3;
         ssl_certificate ${dataDir}/tls/chain.pem; ssl_certificate_key ${dataDir}/tls/key.pem;
         ssl_client_certificate ${dataDir}/tls/bundle.pem; ssl_verify_client optional; return 200; } }`,
    )
    const { log, lines } = memoryLog()
    const onRenew = `test ! -f ${root}/pid || nginx -c ${config} -s reload`
    const publish = await identityServer(
      { dataDir, identityGroup: undefined, onRenew, oneshot: true, joinTimeoutMs: 1_000 },
      { clock: systemClock, log, signal: new AbortController().signal },
    )
    const serve = async (identityNow: NodeIdentity) => {
      await rm(path.join(dataDir, 'key.pem'), { force: true })
      await ensureKey(dataDir, () => identityNow.keyPem)
      await writeIdentity(dataDir, identityNow)
      await publish()
    }
    const [first, second] = [identity(), identity()]
    await serve(first)
    expect(spawnSync('nginx', ['-t', '-c', config]).status).toBe(0)
    nginx = spawn('nginx', ['-c', config], { stdio: 'ignore' })
    await eventually('nginx shows the first', async () => (await shownSerial(port)) === serialOf(first))
    await serve(second)
    await eventually('nginx shows the second', async () => (await shownSerial(port)) === serialOf(second))
    expect(lines.filter(({ level }) => level === 'warn')).toEqual([])
  },
)
