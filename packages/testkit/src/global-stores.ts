import path from 'node:path'
import { defaultCacheDir, startPostgres, startRedis } from '@muster/embedded-stores'
import { openRunFolder } from './run-folder.ts'
import { POSTGRES_URL_VARIABLE, REDIS_URL_VARIABLE } from './store-url.ts'

/** More than the test files of a run that may ever use Redis. */
const REDIS_DATABASES = 1_024

let stop: (() => Promise<void>) | undefined

/**
 * Makes the run's folder for temporary files, starts one Postgres and one Redis for all test files of the run, and puts
 * their addresses into this process's environment.
 */
export async function startGlobalStores(): Promise<void> {
  const folder = await openRunFolder()
  const [postgres, redis] = await Promise.all([
    startPostgres({ dataDir: path.join(folder.path, 'postgres'), durable: false, maxConnections: 300 }),
    startRedis({
      dataDir: path.join(folder.path, 'redis'),
      cacheDir: defaultCacheDir(process.env),
      env: process.env,
      databases: REDIS_DATABASES,
    }),
  ])
  process.env[POSTGRES_URL_VARIABLE] = postgres.url()
  process.env[REDIS_URL_VARIABLE] = redis.url
  stop = async () => {
    await Promise.all([postgres.stop(), redis.stop()])
    await folder.remove()
  }
}

/** Stops them, and removes the run's folder. */
export async function stopGlobalStores(): Promise<void> {
  await stop?.()
  stop = undefined
}
