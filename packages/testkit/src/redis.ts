import { Redis } from 'ioredis'
import { REDIS_URL_VARIABLE, storeUrl } from './global-stores.ts'

export interface TestRedis {
  url: string
  /** A connection to look and meddle with. */
  client: Redis
  /** Forgets everything in it. */
  empty(): Promise<void>
  close(): void
}

/** Redis has 16 databases; the first one counts which are taken. */
const DATABASES = 15

/**
 * Takes an empty database for one test file, in the Redis that the whole run shares. Channels are common to all
 * databases: tests that listen on one give it a name of their own.
 */
export async function createRedis(): Promise<TestRedis> {
  const url = storeUrl(REDIS_URL_VARIABLE)
  const counter = new Redis(url.href)
  url.pathname = `/${1 + ((await counter.incr('taken')) % DATABASES)}`
  counter.disconnect()
  const client = new Redis(url.href)
  await client.flushdb()
  return {
    url: url.href,
    client,
    empty: async () => void (await client.flushdb()),
    close: () => client.disconnect(),
  }
}
