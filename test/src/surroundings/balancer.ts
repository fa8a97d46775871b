import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { connect } from 'node:net'
import type { Cluster } from '../harness/cluster.ts'
import { startProgram } from '../harness/program.ts'
import { waitFor } from '../harness/waiting.ts'
import { nginxModules } from './tools.ts'

/** The address from which balancers of tests connect. */
export const BALANCER = '127.0.0.8'

/** A replica as a balancer sees it. */
export interface Target {
  address: string
  diagnosticsAddress: string
}

const portOf = (address: string) => address.split(':').at(-1)!

/** Starts HAProxy on HOST:PORT before these replicas. */
export async function startHaproxy(cluster: Cluster, listen: string, targets: readonly Target[]): Promise<void> {
  const servers = targets.map(
    ({ address, diagnosticsAddress }, i) =>
      `  server s${i} ${address} source ${BALANCER} send-proxy-v2 check port ${portOf(diagnosticsAddress)} inter 200ms fall 1 rise 1 on-marked-down shutdown-sessions`,
  )
  const file = await write(cluster, 'haproxy.cfg', [
    'defaults',
    '  mode tcp',
    '  retries 3',
    '  option redispatch 1',
    '  timeout connect 2s',
    '  timeout client 90s',
    '  timeout server 90s',
    'listen registration',
    `  bind ${listen}`,
    '  balance roundrobin',
    '  option httpchk GET /readyz',
    ...servers,
  ])
  startProgram(cluster.life, 'haproxy', ['-db', '-f', file])
  await listening(listen)
}

/** Starts nginx on HOST:PORT before these replicas. */
export async function startNginx(cluster: Cluster, listen: string, targets: readonly Target[]): Promise<void> {
  const folder = path.join(cluster.dataDir, 'nginx')
  await mkdir(folder)
  const file = await write(cluster, 'nginx.conf', [
    nginxModules!,
    'daemon off;',
    'error_log stderr;',
    `pid ${path.join(folder, 'pid')};`,
    'events {}',
    'stream {',
    '  upstream registration {',
    ...targets.map(({ address }) => `    server ${address} max_fails=1 fail_timeout=5s;`),
    '  }',
    '  server {',
    `    listen ${listen};`,
    '    proxy_pass registration;',
    `    proxy_bind ${BALANCER};`,
    '    proxy_connect_timeout 2s;',
    '    proxy_timeout 90s;',
    '    proxy_protocol on;',
    '  }',
    '}',
  ])
  startProgram(cluster.life, 'nginx', ['-p', folder, '-e', 'stderr', '-c', file])
  await listening(listen)
}

async function write(cluster: Cluster, name: string, lines: readonly string[]): Promise<string> {
  const file = path.join(cluster.dataDir, name)
  await writeFile(file, `${lines.join('\n')}\n`)
  return file
}

function listening(address: string): Promise<unknown> {
  return waitFor(`${address} to take connections`, () => takesConnections(address))
}

function takesConnections(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: Number(portOf(address)) })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
