import type { Redis } from 'ioredis'
import { REDIS_URL_VARIABLE, storeUrl } from './store-url.ts'

/** A Redis database of one test file. */
export interface TestRedis {
  url: string
  /** A connection for the test itself: to look at what is stored, and to change it. */
  client: Redis
  /** Deletes everything in it. */
  empty(): Promise<void>
  /** Gives the database back, empty. */
  close(): Promise<void>
}

/** A lease of a file that was killed ends by itself after an hour, which matters only in a Redis that outlives the run. */
const LEASE_SECONDS = 3_600

/**
 * Leases an empty database for one test file, in the Redis that the whole run shares; no other file gets it before it is
 * given back. Channels are common to all databases: tests that listen on one give it a name of their own.
 */
export async function createRedis(): Promise<TestRedis> {
  const { Redis } = await import('ioredis')
  const url = storeUrl(REDIS_URL_VARIABLE)
  // The first database holds the leases.
  const leases = new Redis(url.href)
  const database = await lease(leases).catch((error: Error) => {
    leases.disconnect()
    throw error
  })
  url.pathname = `/${database}`
  const client = new Redis(url.href)
  await client.flushdb()
  return {
    url: url.href,
    client,
    empty: async () => void (await client.flushdb()),
    async close() {
      await client.flushdb()
      client.disconnect()
      await leases.del(leaseOf(database))
      leases.disconnect()
    },
  }
}

async function lease(leases: Redis): Promise<number> {
  const [, count] = (await leases.config('GET', 'databases')) as [string, string]
  for (let database = 1; database < Number(count); database++) {
    if ((await leases.set(leaseOf(database), 'taken', 'EX', LEASE_SECONDS, 'NX')) === 'OK') return database
  }
  throw new Error(
    `all ${count} databases of the tests' Redis are taken: close the one of createRedis() after each file`,
  )
}

function leaseOf(database: number): string {
  return `lease:${database}`
}
