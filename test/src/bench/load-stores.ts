import { Redis } from 'ioredis'
import pg from 'pg'
import { concurrently } from './concurrently.ts'

/** Rows in a database of its own, each inserted in its own durable transaction. */
export async function inserts({ url, count, concurrency }: { url: string; count: number; concurrency: number }) {
  const pool = openPool(url)
  await pool.query('create table if not exists bench_rows (id uuid primary key, name text, data jsonb)')
  return concurrently({ count, concurrency }, (index) =>
    pool.query({
      name: 'insert',
      text: 'insert into bench_rows (id, name, data) values (gen_random_uuid(), $1, $2)',
      values: [`row ${index}`, { index }],
    }),
  )
}

// As many connections as a service has, kept open, so that making them is not measured.
const pools = new Map<string, pg.Pool>()
function openPool(url: string): pg.Pool {
  const pool = pools.get(url) ?? new pg.Pool({ connectionString: url, max: 10, idleTimeoutMillis: 0 })
  pools.set(url, pool)
  return pool
}

/** Keys set with a TTL, a thousand to a round trip: the least that presence can cost Redis. */
export async function pipelinedSets({ url, count }: { url: string; count: number }): Promise<void> {
  const redis = new Redis(url)
  for (let done = 0; done < count; done += 1_000) {
    const pipeline = redis.pipeline()
    for (let i = done; i < done + 1_000; i++) pipeline.set(`bench:${i % 5_000}`, Date.now(), 'PX', 15_000)
    await pipeline.exec()
  }
  redis.disconnect()
}

/** Reads the columns of an entry of the roll, page by page, without using them. @returns rows read */
export async function selectPages({ url, pageSize }: { url: string; pageSize: number }): Promise<number> {
  const pool = openPool(url)
  let after = { hostname: '', id: '00000000-0000-0000-0000-000000000000' }
  let count = 0
  for (;;) {
    const { rows } = await pool.query<{ hostname: string; id: string }>({
      name: 'page',
      text: `
        select id, hostname, roles, labels, version, advertised_address, remote_address, os, token_id, joined_at,
               first_seen_at, last_seen_at, certificate_expires_at
          from registration.nodes
         where joined_at is not null
           and (hostname, id) > ($1, $2)
         order by hostname, id
         limit $3`,
      values: [after.hostname, after.id, pageSize],
    })
    count += rows.length
    if (rows.length < pageSize) return count
    after = rows.at(-1)!
  }
}

/** Reads the columns of a token, page by page by expiry, without using them. @returns rows read */
export async function selectTokenPages({ url, pageSize }: { url: string; pageSize: number }): Promise<number> {
  const pool = openPool(url)
  let after = { end: '-infinity', id: '' }
  let count = 0
  for (;;) {
    const { rows } = await pool.query<{ end: string; id: string }>({
      name: 'token page',
      text: `
        select id, type, name, roles, labels, description, bot_name, user_name, allow_cidrs, allow_hostnames,
               node_labels, created_by, created_at, expires_at, expires_at::text as end, max_uses, uses, revoked_at
          from token.tokens
         where (expires_at, id) > ($1::timestamptz, $2)
           and expires_at > now()
           and revoked_at is null
         order by expires_at, id
         limit $3`,
      values: [after.end, after.id, pageSize],
    })
    count += rows.length
    if (rows.length < pageSize) return count
    after = rows.at(-1)!
  }
}
