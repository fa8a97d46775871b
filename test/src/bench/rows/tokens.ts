import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import pg from 'pg'
import type { Bench } from '../bench.ts'
import type { BenchCluster } from '../cluster.ts'
import { added, metered, total, type CpuGroups, type Reading } from '../meter.ts'
import { rssOf } from '../process-usage.ts'
import type { Line, Section } from '../report.ts'
import { median } from '../statistics.ts'
import { binOf } from './cli.ts'

const PAGE_SIZE = 1_000
const SIZE = 50_000
const MIB = 1024 * 1024

/** `musterctl tokens ls` of 50,000 tokens, page by page: what it costs, and that memory does not grow with the list. */
export async function measureTokens(bench: Bench): Promise<Section> {
  const rounds = bench.options.quick ? 1 : 5
  const cluster = await bench.cluster()
  const page = await measureSize(bench, cluster, PAGE_SIZE, rounds)
  const whole = await measureSize(bench, cluster, SIZE, rounds)
  const sql = 'the same rows by a bare pg client, its CPU time and that of Postgres'
  const one = `the same for ${PAGE_SIZE} tokens`
  const lines: Line[] = [
    { what: 'time', value: whole.wallMs, unit: 'ms', floor: { what: sql, value: whole.floor.wallMs } },
    { what: 'server CPU', value: whole.cpuMs, unit: 'ms', floor: { what: sql, value: whole.floor.cpuMs } },
    {
      what: 'peak memory of token-service',
      value: whole.serviceMib,
      unit: 'MiB',
      floor: { what: one, value: page.serviceMib },
    },
    {
      what: 'peak memory of musterctl',
      value: whole.programMib,
      unit: 'MiB',
      floor: { what: one, value: page.programMib },
    },
  ]
  return { row: 'tokens', title: `${SIZE} tokens listed by musterctl, ${PAGE_SIZE} to a page`, lines }
}

interface Measured {
  wallMs: number
  cpuMs: number
  serviceMib: number
  programMib: number
  floor: { wallMs: number; cpuMs: number }
}

async function measureSize(bench: Bench, cluster: BenchCluster, size: number, rounds: number): Promise<Measured> {
  const { step } = bench
  await step(`${size} tokens`, () => fillTokens(cluster, size))
  const { 'token-service': service, Postgres } = cluster.cpuGroups
  const listed: CpuGroups = { service: service!, Postgres: Postgres! }
  const url = cluster.postgres.url({ database: 'muster' })
  const reader = bench.startLoad()
  const selected: CpuGroups = { reader: () => reader.pid, Postgres: Postgres! }
  const lists: Reading<Ran>[] = []
  const selects: Reading<number>[] = []
  let servicePeak = 0
  for (let round = 0; round <= rounds; round++) {
    await step(`list of ${size} tokens, ${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}`, async () => {
      const select = await metered(selected, () => reader.call('selectTokenPages', { url, pageSize: PAGE_SIZE }))
      const peak = peakOf(service!()!)
      const list = await metered(listed, () => listTokens(cluster.controlPlane.operatorDir))
      servicePeak = Math.max(servicePeak, peak())
      if (list.result.count !== size || select.result !== size) {
        throw new Error(`${list.result.count} and ${select.result} tokens were listed, not ${size}`)
      }
      if (round === 0) return
      lists.push(list)
      selects.push(select)
    })
  }
  await reader.stop()
  const cpuOf = (taken: Reading<unknown>[]) => total(added(taken.map(({ cpuMs }) => cpuMs))) / taken.length
  const wallOf = (taken: Reading<unknown>[]) => median(taken.map(({ wallMs }) => wallMs))
  return {
    wallMs: wallOf(lists),
    cpuMs: cpuOf(lists),
    serviceMib: servicePeak / MIB,
    programMib: Math.max(...lists.map(({ result }) => result.peakBytes)) / MIB,
    floor: { wallMs: wallOf(selects), cpuMs: cpuOf(selects) },
  }
}

/** Replaces all tokens by new ones, as operators would create them. */
async function fillTokens({ postgres }: BenchCluster, size: number): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.url({ database: 'muster' }) })
  await client.connect()
  try {
    await client.query('truncate token.tokens')
    await client.query(
      `insert into token.tokens (id, digest, roles, labels, description, created_by, expires_at)
       select translate(lpad(to_hex(n), 10, '0'), '0189', 'wxyz'), decode(md5(n::text) || md5(n::text), 'hex'), '{node}',
              '{"env":"production","region":"eu-1"}', 'runner ' || n, 'spiffe://bench.internal/user/alice',
              date_trunc('milliseconds', now()) + interval '1 day' + n * interval '1 second'
         from generate_series(1, $1::int) n`,
      [size],
    )
    await client.query('vacuum (analyze) token.tokens')
  } finally {
    await client.end()
  }
}

interface Ran {
  count: number
  peakBytes: number
}

// Loaded into musterctl: says at its end how much memory it had at the most (getrusage, KiB).
const TELL_PEAK = `data:text/javascript,import fs from 'node:fs';process.on('exit',()=>fs.writeSync(3,String(process.resourceUsage().maxRSS)))`

/** Runs `musterctl tokens ls`, counts the lines that come and keeps none of them. */
async function listTokens(operatorDir: string): Promise<Ran> {
  const args = ['--import', TELL_PEAK, binOf('admin-cli', 'musterctl'), 'tokens', 'ls', '--identity', operatorDir]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const peak = text(child.stdio[3] as Readable)
  let lines = 0
  for await (const chunk of child.stdout as Readable as AsyncIterable<Buffer>) {
    for (const byte of chunk) if (byte === 0x0a) lines += 1
  }
  if ((await ended) !== 0) throw new Error('musterctl tokens ls failed')
  const headLines = 2
  return { count: lines - headLines, peakBytes: Number(await peak) * 1024 }
}

/** Watches the memory of a process until the caller asks for the peak. */
function peakOf(pid: number): () => number {
  let peak = rssOf(pid)
  const timer = setInterval(() => {
    peak = Math.max(peak, rssOf(pid))
  }, 20)
  return () => {
    clearInterval(timer)
    return peak
  }
}
