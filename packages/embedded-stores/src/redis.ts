import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { claim, type Claim } from '@muster/processes'
import { findRedis } from './find-redis.ts'
import { freePort } from './free-port.ts'
import { pingRedis } from './redis-ping.ts'
import { redisEnvironment, type FindRedisOptions, type RedisProgram } from './redis-program.ts'
import { endLeftover, startChild, stopChild, type StopStep, type ChildProcess } from './child-process.ts'
import { until } from './until.ts'

/** How to find and start a Redis. */
export interface RedisOptions extends FindRedisOptions {
  /** Created if missing. Holds only a lock file: Redis loses its content when it stops. */
  readonly dataDir: string
  /** Gets each line that Redis logs. */
  readonly log?: (line: string) => void
  /** Reuses the port and password of a Redis that ended, so that its clients reconnect. Default: new ones. */
  readonly sameAs?: Pick<Redis, 'url'>
  /** The number of databases. Default 16. */
  readonly databases?: number
}

/** A running Redis. */
export interface Redis {
  /** Holds the password: never log it. */
  readonly url: string
  /** Undefined for the Redis of MUSTER_REDIS_URL, which this process did not start. */
  readonly pid: number | undefined
  /** Resolves when Redis has ended, whether stopped or not. Never resolves for the Redis of MUSTER_REDIS_URL. Never rejects. */
  readonly exited: Promise<void>
  /** Stops Redis, by force after 5 seconds. Leaves the Redis of MUSTER_REDIS_URL running. May be called again. */
  stop(): Promise<void>
  /** Sends a signal; for tests of failures. */
  kill(signal: NodeJS.Signals): void
}

const host = '127.0.0.1'
const startLimitMs = 20_000
const stopSteps: readonly StopStep[] = [
  ['SIGTERM', 5_000],
  ['SIGKILL', 5_000],
]

/**
 * Finds a Redis, starts it on loopback on a free port with a new password, and resolves when it answers.
 * With MUSTER_REDIS_URL it starts nothing and only checks that the Redis there answers.
 * First ends a server that a killed owner left running on the same directory.
 * @throws Error if a live process uses the directory
 */
export async function startRedis(options: RedisOptions): Promise<Redis> {
  const found = await findRedis(options)
  if ('url' in found) return await foreignRedis(found.url)
  const dataDir = path.resolve(options.dataDir)
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const held = await claim(path.join(dataDir, 'redis.lock'), `The Redis directory ${dataDir}`)
  try {
    if (held.leftover !== undefined) await endLeftover(held.leftover, stopSteps)
    return await startOwnRedis(found.program, dataDir, held, options)
  } catch (error) {
    await held.release()
    throw error
  }
}

async function startOwnRedis(
  program: RedisProgram,
  dataDir: string,
  held: Claim,
  { log, sameAs, databases = 16 }: RedisOptions,
): Promise<Redis> {
  const former = sameAs && new URL(sameAs.url)
  const password = former?.password ?? randomBytes(24).toString('base64url')
  const giveUpAt = performance.now() + startLimitMs
  for (;;) {
    const port = former === undefined ? await freePort() : Number(former.port)
    const child = startChild(program.path, ['-'], {
      env: redisEnvironment(program),
      // Pass the configuration by standard input: every user of the machine can read a command line.
      input: configuration(port, password, dataDir, databases),
      parentDeathSignal: 'TERM',
      log,
    })
    if (child.pid !== undefined) await held.setChild(child.pid)
    const url = `redis://:${password}@${host}:${port}/0`
    const ready = await until(async () => child.hasExited() || (await pingRedis(url)) === undefined, {
      limitMs: startLimitMs,
    })
    if (ready && !child.hasExited()) return ownRedis(child, url, held)
    await stopChild(child, stopSteps)
    const portTaken = child.lastLines().includes('Address already in use')
    if (portTaken && performance.now() < giveUpAt) continue
    throw new Error(
      `Redis (${program.path}) did not start. Install another one, or set MUSTER_REDIS_URL to a running one.\n` +
        `The last lines of its output:\n${child.lastLines()}`,
    )
  }
}

function configuration(port: number, password: string, dataDir: string, databases: number): string {
  return [
    `bind ${host}`,
    `port ${port}`,
    `requirepass ${password}`,
    `databases ${databases}`,
    `dir ${JSON.stringify(dataDir)}`,
    'save ""',
    'appendonly no',
    'maxmemory-policy noeviction',
    'daemonize no',
    '',
  ].join('\n')
}

function ownRedis(child: ChildProcess, url: string, held: Claim): Redis {
  const exited = child.exited.then(() => held.release()).catch(() => {})
  let stopping: Promise<void> | undefined
  return {
    url,
    pid: child.pid,
    exited,
    stop: () => (stopping ??= stopChild(child, stopSteps).then(() => exited)),
    kill: child.kill,
  }
}

async function foreignRedis(url: string): Promise<Redis> {
  const failure = await pingRedis(url)
  if (failure !== undefined) {
    throw new Error(
      `The Redis that MUSTER_REDIS_URL names cannot be used: ${failure}. Correct the address, or unset the variable.`,
    )
  }
  return { url, pid: undefined, exited: new Promise(() => {}), stop: async () => {}, kill: () => {} }
}
