import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { type ChildProcess, startChild, stopChild, type StopStep } from '@muster/embedded-stores'
import { Redis } from 'ioredis'
import { eventually } from '../eventually.ts'
import { portForServer } from './port.ts'

const STOP_STEPS: readonly StopStep[] = [['SIGKILL', 5_000]]
const PASSWORD = 'of-the-servers'
const SENTINEL_PASSWORD = 'of-the-sentinel'
const NAME = 'muster-test'
const SLOTS = 16_384

/** The program that tests start: Redis or Valkey; undefined without one on PATH. */
export const redisProgram: string | undefined = ['redis-server', 'valkey-server'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
)

/** Servers of Redis that take over from each other. */
export interface RedisServers {
  /** As MUSTER_REDIS_URL_FILE has it. */
  url: string
  /** Kills the server that has the keys. */
  killPrimary(): Promise<void>
  stop(): Promise<void>
}

/** A primary, a replica and a Sentinel that replaces the primary half a second after it is lost. */
export async function startSentinel(): Promise<RedisServers> {
  const servers = await Servers.open()
  try {
    const primary = await servers.start([])
    await servers.start([`replicaof 127.0.0.1 ${primary.port}`])
    const settings = `monitor ${NAME} 127.0.0.1 ${primary.port} 1
auth-pass ${NAME} ${PASSWORD}
down-after-milliseconds ${NAME} 500
failover-timeout ${NAME} 3000`
    const sentinel = await servers.start(
      settings.split('\n').map((line) => `sentinel ${line}`),
      SENTINEL_PASSWORD,
      '--sentinel',
    )
    const client = servers.connect(sentinel.port, SENTINEL_PASSWORD)
    await eventually('the Sentinel knows the replica', async () => {
      const replicas = (await client.call('SENTINEL', 'replicas', NAME)) as string[][]
      return replicas.some((fields) => fields[fields.indexOf('master-link-status') + 1] === 'ok')
    })
    return {
      // The first of the Sentinels is away.
      url: `redis+sentinel://:${PASSWORD}@127.0.0.1:1,127.0.0.1:${sentinel.port}/${NAME}?sentinel_password=${SENTINEL_PASSWORD}`,
      killPrimary: () => stopChild(primary.child, STOP_STEPS),
      stop: () => servers.stop(),
    }
  } catch (error) {
    await servers.stop()
    throw error
  }
}

/** A cluster of three primaries, of which one has nearly all slots, and its replica. */
export async function startRedisCluster(): Promise<RedisServers> {
  const servers = await Servers.open()
  try {
    const settings = ['cluster-enabled yes', 'cluster-node-timeout 1000', 'cluster-replica-validity-factor 0']
    const nodes = await Promise.all(Array.from({ length: 4 }, () => servers.start(settings)))
    const clients = nodes.map(({ port }) => servers.connect(port))
    const [main, second, third, replica] = clients as [Redis, Redis, Redis, Redis]
    const slots = Array.from({ length: SLOTS }, (_, slot) => slot)
    await main.cluster('ADDSLOTS', ...slots.slice(0, -2))
    await second.cluster('ADDSLOTS', SLOTS - 2)
    await third.cluster('ADDSLOTS', SLOTS - 1)
    for (const { port } of nodes.slice(1)) await main.cluster('MEET', '127.0.0.1', port)
    const id = await main.cluster('MYID')
    await eventually('the replica follows', () =>
      replica.cluster('REPLICATE', id).then(
        () => true,
        () => false,
      ),
    )
    for (const client of clients) {
      await eventually('the cluster is whole', async () => {
        const [info, known] = await Promise.all([client.cluster('INFO'), client.cluster('NODES')])
        return /cluster_state:ok/.test(info) && /cluster_known_nodes:4/.test(info) && /\bslave\b/.test(known as string)
      })
    }
    await eventually('the replica is in step', async () =>
      /master_link_status:up/.test(await replica.info('replication')),
    )
    return {
      url: `redis+cluster://:${PASSWORD}@${nodes
        .slice(0, 3)
        .map(({ port }) => `127.0.0.1:${port}`)
        .join(',')}`,
      killPrimary: () => stopChild(nodes[0]!.child, STOP_STEPS),
      stop: () => servers.stop(),
    }
  } catch (error) {
    await servers.stop()
    throw error
  }
}

/** Processes in a folder of their own. */
class Servers {
  readonly #folder: string
  readonly #children: ChildProcess[] = []
  readonly #clients: Redis[] = []

  static async open(): Promise<Servers> {
    return new Servers(await mkdtemp(path.join(os.tmpdir(), 'muster-redis-')))
  }

  private constructor(folder: string) {
    this.#folder = folder
  }

  async start(settings: readonly string[], password = PASSWORD, ...flags: string[]) {
    const port = await portForServer()
    const file = path.join(this.#folder, `${port}.conf`)
    const common = [
      'bind 127.0.0.1',
      `port ${port}`,
      `dir ${this.#folder}`,
      `requirepass ${password}`,
      'repl-diskless-sync-delay 0',
      `masterauth ${password}`,
      'save ""',
      `cluster-config-file ${port}.nodes`,
    ]
    const own = flags.includes('--sentinel') ? common.slice(0, 4) : common
    await writeFile(file, `${[...own, ...settings].join('\n')}\n`)
    const child = startChild(redisProgram!, [file, ...flags], { parentDeathSignal: 'TERM' })
    this.#children.push(child)
    const client = this.connect(port, password)
    await eventually(`a Redis on port ${port}`, async () => {
      if (child.hasExited()) throw new Error(child.lastLines())
      return (await client.ping().catch(() => undefined)) === 'PONG'
    })
    return { port, child }
  }

  /** A connection for the test itself. */
  connect(port: number, password = PASSWORD): Redis {
    const client = new Redis({
      port,
      password,
      enableReadyCheck: false,
      retryStrategy: () => 100,
      disconnectTimeout: 100,
    })
    client.on('error', () => {})
    this.#clients.push(client)
    return client
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.disconnect()
    await Promise.all(this.#children.map((child) => stopChild(child, STOP_STEPS)))
    await rm(this.#folder, { recursive: true, force: true })
  }
}
