import { registration } from '@muster/contracts'
import { Redis } from 'ioredis'
import pg from 'pg'
import type { Bench } from '../bench.ts'
import type { BenchCluster } from '../cluster.ts'
import { added, metered, total, type CpuGroups, type Reading } from '../meter.ts'
import type { Line, Section } from '../report.ts'
import { median } from '../statistics.ts'

const PAGE_SIZE = 1_000

/** The whole roll, page by page over mTLS, beside the same rows selected by a bare Postgres client. */
export async function measureList(bench: Bench): Promise<Section> {
  const sizes = bench.options.quick ? [10_000] : [10_000, 100_000]
  const lines: Line[] = []
  for (const size of sizes) lines.push(...(await measureSize(bench, size, size > 10_000 ? 3 : 10)))
  return { row: 'list', title: `The whole roll, ${PAGE_SIZE} to a page`, lines }
}

async function measureSize(bench: Bench, size: number, rounds: number): Promise<Line[]> {
  const { step } = bench
  const cluster = await bench.cluster()
  await step(`a roll of ${size} nodes`, () => fillRoll(cluster, size))
  const connection = await cluster.operate('registration-service')
  const client = connection.client(registration.RegistrationServiceService)
  const url = cluster.postgres.url({ database: 'muster' })
  const reader = bench.startLoad()
  const listAll = async () => {
    let count = 0
    let pageToken = ''
    do {
      const page = await client.listNodes({
        pageSize: PAGE_SIZE,
        pageToken,
        tokenId: '',
        labels: {},
        statuses: [],
        search: '',
      })
      count += page.nodes.length
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    return count
  }
  const { 'registration-service': service, Postgres, Redis: redis } = cluster.cpuGroups
  const listed: CpuGroups = { service: service!, Postgres: Postgres!, Redis: redis! }
  const selected: CpuGroups = { reader: () => reader.pid, Postgres: Postgres! }
  const lists: Reading<number>[] = []
  const selects: Reading<number>[] = []
  for (let round = 0; round <= rounds; round++) {
    await step(`list of ${size}, ${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}`, async () => {
      const select = await metered(selected, () => reader.call('selectPages', { url, pageSize: PAGE_SIZE }))
      const list = await metered(listed, listAll)
      if (list.result !== size || select.result !== size)
        throw new Error(`the roll has ${list.result} nodes, not ${size}`)
      if (round === 0) return
      lists.push(list)
      selects.push(select)
    })
  }
  connection.close()
  await reader.stop()
  const what = 'the same rows by a bare pg client, its CPU time and that of Postgres'
  const cpuOf = (taken: Reading<number>[]) => total(added(taken.map(({ cpuMs }) => cpuMs))) / taken.length
  const wallOf = (taken: Reading<number>[]) => median(taken.map(({ wallMs }) => wallMs))
  const unit = 'ms'
  return [
    { what: `time, ${size} nodes`, value: wallOf(lists), unit, floor: { what, value: wallOf(selects) } },
    { what: `server CPU, ${size} nodes`, value: cpuOf(lists), unit, floor: { what, value: cpuOf(selects) } },
  ]
}

/** Replaces the nodes on the roll and in presence by nodes that seem to have joined and to beat. */
async function fillRoll({ postgres, redis: { url } }: BenchCluster, size: number): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.url({ database: 'muster' }) })
  const redis = new Redis(url)
  await client.connect()
  try {
    await client.query('truncate registration.nodes')
    const { rows } = await client.query<{ id: string }>(
      `insert into registration.nodes
         (id, hostname, roles, labels, version, advertised_address, remote_address, os, token_id, key_fingerprint,
          certificate_serial, certificate_expires_at, joined_at, first_seen_at, last_seen_at)
       select gen_random_uuid(), 'host-' || lpad(n::text, 7, '0') || '.example', '{node}',
              '{"env":"production","region":"eu-1"}', '0.1.0', '', '10.0.0.1', 'linux x64 6.1.0', 'abcdefghij',
              decode(md5(n::text) || md5(n::text), 'hex'), md5(n::text), now() + interval '1 day', now(), now(), now()
         from generate_series(1, $1::int) n
       returning id`,
      [size],
    )
    await client.query('vacuum (analyze) registration.nodes')
    await redis.flushdb()
    await fillPresence(
      redis,
      rows.map(({ id }) => id),
    )
  } finally {
    await client.end()
    redis.disconnect()
  }
}

/** The layout is that of Presence in registration-service. */
async function fillPresence(redis: Redis, ids: readonly string[]): Promise<void> {
  const prefix = 'muster:bench.internal:'
  const now = Date.now()
  const hourMs = 3_600_000
  await redis.set(`${prefix}epoch`, now - hourMs)
  for (let done = 0; done < ids.length; done += 1_000) {
    const pipeline = redis.pipeline()
    for (const id of ids.slice(done, done + 1_000)) {
      pipeline.set(`${prefix}presence:${id}`, now, 'PX', hourMs)
      // In the future, or the sweep would check all of them repeatedly, since they send no beats.
      pipeline.zadd(`${prefix}alive`, now + hourMs, id)
    }
    await pipeline.exec()
  }
}
