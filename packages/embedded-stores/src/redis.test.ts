import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { commandLine } from '@muster/processes'
import { findProcess, isRunning } from '@muster/processes'
import { Redis as Client } from 'ioredis'
import { defaultCacheDir } from './cache-dir.ts'
import { findRedis } from './find-redis.ts'
import { pingRedis } from './redis-ping.ts'
import { startRedis, type Redis } from './redis.ts'

let folder: string
let dataDir: string
const cacheDir = defaultCacheDir(process.env)
const env = { ...process.env, MUSTER_REDIS_URL: undefined }
const running: Redis[] = []

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-redis-'))
  dataDir = path.join(folder, 'redis')
})
afterEach(async () => {
  for (const redis of running.splice(0)) await redis.stop()
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

// The first start on a machine without Redis downloads one, or builds it.
const firstStartLimitMs = 6 * 60_000

async function start(): Promise<Redis> {
  const redis = await startRedis({ dataDir, cacheDir, env })
  running.push(redis)
  return redis
}

async function ask<T>(url: string, question: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(url, { lazyConnect: true, enableReadyCheck: false, retryStrategy: () => null })
  client.on('error', () => {})
  try {
    await client.connect()
    return await question(client)
  } finally {
    client.disconnect()
  }
}

describe('startRedis', () => {
  test(
    'startRedis answers with its password only, keeps nothing on disk, and refuses to evict',
    async () => {
      const redis = await start()
      expect(await pingRedis(redis.url)).toBeUndefined()
      expect(await ask(redis.url, (client) => client.config('GET', 'save'))).toEqual(['save', ''])
      expect(await ask(redis.url, (client) => client.config('GET', 'appendonly'))).toEqual(['appendonly', 'no'])
      expect(await ask(redis.url, (client) => client.config('GET', 'maxmemory-policy'))).toEqual([
        'maxmemory-policy',
        'noeviction',
      ])
      const anonymous = redis.url.replace(/\/\/.*@/, '//')
      expect(await pingRedis(anonymous)).toMatch(/^NOAUTH/)
      expect(await pingRedis(anonymous.replace('//', '//:wrong@'))).toMatch(/^WRONGPASS/)
      await redis.stop()
      expect(findProcess(redis.pid!)).toBeUndefined()
    },
    firstStartLimitMs,
  )

  test('startRedis starts empty at the address of a Redis that ended', async () => {
    const first = await start()
    await ask(first.url, (client) => client.set('lost', 1))
    await first.stop()
    const second = await startRedis({ dataDir, cacheDir, env, sameAs: first })
    running.push(second)
    expect(second.url).toBe(first.url)
    expect(await ask(first.url, (client) => client.keys('*'))).toEqual([])
  })

  test('startRedis keeps its password out of its command line', async () => {
    const redis = await start()
    const { password } = new URL(redis.url)
    expect(commandLine(redis.pid!).join(' ')).not.toContain(password)
    expect(password.length).toBeGreaterThanOrEqual(32)
  })

  test('startRedis refuses a directory that a live process uses', async () => {
    await start()
    await expect(startRedis({ dataDir, cacheDir, env })).rejects.toThrow(`is in use by process ${process.pid}`)
  })

  test('startRedis ends the server that a killed owner left running', async () => {
    const left = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' })
    const gone = new Promise((resolve) => left.once('close', resolve))
    const child = findProcess(left.pid!)!
    const owner = { pid: process.pid, startedAt: 'an earlier process of this id' }
    await mkdir(dataDir, { recursive: true })
    await writeFile(path.join(dataDir, 'redis.lock'), JSON.stringify({ owner, child }))
    const redis = await start()
    await gone
    expect(isRunning(child)).toBe(false)
    expect(await pingRedis(redis.url)).toBeUndefined()
  })

  test('startRedis starts nothing and stops nothing if MUSTER_REDIS_URL names a Redis', async () => {
    const theirs = await start()
    const options = { dataDir: path.join(folder, 'none'), cacheDir, env: { MUSTER_REDIS_URL: theirs.url } }
    const redis = await startRedis(options)
    expect(redis).toMatchObject({ url: theirs.url, pid: undefined })
    await redis.stop()
    expect(await pingRedis(theirs.url)).toBeUndefined()
  })

  test('startRedis fails without naming the password if the Redis of MUSTER_REDIS_URL does not answer', async () => {
    const options = { dataDir, cacheDir, env: { MUSTER_REDIS_URL: 'redis://:canary-2@127.0.0.1:1/0' } }
    const failure: Error = await startRedis(options).then(
      () => new Error('it started'),
      (error: Error) => error,
    )
    expect(failure.message).toMatch(/MUSTER_REDIS_URL.*ECONNREFUSED/)
    expect(failure.message).not.toContain('canary-2')
  })
})

describe('findRedis', () => {
  async function folderWith(name: string, output: string): Promise<string> {
    const bin = await mkdtemp(path.join(folder, 'bin-'))
    await writeFile(path.join(bin, name), `#!/bin/sh\necho '${output}'\n`)
    await chmod(path.join(bin, name), 0o755)
    return bin
  }

  test.each([
    ['redis-server', 'Redis server v=7.2.4 sha=00000000:0'],
    ['valkey-server', 'Valkey server v=8.0.1 sha=00000000:0'],
  ])('findRedis takes %s from PATH', async (name, output) => {
    const bin = await folderWith(name, output)
    const found = await findRedis({ cacheDir: folder, env: { PATH: bin } })
    expect(found).toEqual({ program: { path: path.join(bin, name) } })
  })

  test('findRedis names the three ways to get a Redis, and why the one on PATH does not work', async () => {
    const bin = await folderWith('redis-server', 'Redis server v=5.0.14')
    const finding = findRedis({ cacheDir: folder, env: { PATH: bin } })
    await expect(finding).rejects.toThrow(
      /1\. install Redis[^]*2\. set MUSTER_REDIS_URL[^]*3\. install make[^]*v=5\.0\.14/,
    )
  })
})
