import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { defaultCacheDir, startPostgres, startRedis } from '@muster/embedded-stores'

/** How the test runner's process tells its workers where the stores are; environment variables are all that they share. */
export const POSTGRES_URL_VARIABLE = 'MUSTER_TEST_POSTGRES_URL'
export const REDIS_URL_VARIABLE = 'MUSTER_TEST_REDIS_URL'

let stop: (() => Promise<void>) | undefined

/** Starts one Postgres and one Redis for all test files of a run, and puts their addresses into this process's environment. */
export async function startGlobalStores(): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'muster-test-stores-'))
  const [postgres, redis] = await Promise.all([
    startPostgres({ dataDir: path.join(folder, 'postgres'), durable: false, maxConnections: 300 }),
    startRedis({ dataDir: path.join(folder, 'redis'), cacheDir: defaultCacheDir(process.env), env: process.env }),
  ])
  process.env[POSTGRES_URL_VARIABLE] = postgres.url()
  process.env[REDIS_URL_VARIABLE] = redis.url
  stop = async () => {
    await Promise.all([postgres.stop(), redis.stop()])
    await rm(folder, { recursive: true, force: true })
  }
}

/** Stops them, and removes what they kept. */
export async function stopGlobalStores(): Promise<void> {
  await stop?.()
  stop = undefined
}

/** The address that a test run's set-up has left for its workers. @throws Error that says how tests are run */
export function storeUrl(variable: string): URL {
  const url = process.env[variable]
  if (url === undefined) throw new Error(`${variable} is not set: run tests by 'npm test' or by jest at the root`)
  return new URL(url)
}
