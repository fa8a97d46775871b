import { JOIN_CONCURRENCY, type Bench } from '../bench.ts'
import { REQUIRED_SERVICES } from '@muster/domain'
import { databaseWork } from '../database-work.ts'
import { added, metered, total, type Reading } from '../meter.ts'
import { profiled } from '../profiled.ts'
import type { Line, Section } from '../report.ts'
import { quantile, sum } from '../statistics.ts'

/** Does so many operations, so many at once, and reads what they cost the servers and how long each took. */
type Work = (count: number, concurrency: number) => Promise<Reading<number[]>>
type Kind = 'call' | 'join' | 'shake' | 'insert'
type Taken = Record<Kind, Reading<number[]>[]>

/** A steady trickle, and a fleet that comes at once. */
const CONCURRENCIES = [JOIN_CONCURRENCY, 64]

/**
 * What a join costs the servers, beside what a bare unary call, handshake and insert cost them. Rounds alternate between
 * them, so that whatever else this machine does falls on all alike; all are warmed up alike first.
 */
export async function measureJoins(bench: Bench): Promise<Section> {
  const { rounds, perRound, warmUp } = bench.options.quick
    ? { rounds: 2, perRound: 100, warmUp: 100 }
    : { rounds: 5, perRound: 200, warmUp: 800 }
  const { works, stop } = await prepare(bench)
  const kinds = Object.keys(works) as Kind[]
  await bench.step(`warm-up: ${warmUp} of each`, async () => {
    for (const kind of kinds) await works[kind](warmUp, JOIN_CONCURRENCY)
  })
  const lines: Line[] = []
  const readings: Record<string, unknown> = {}
  for (const concurrency of CONCURRENCIES) {
    const taken: Taken = { call: [], join: [], shake: [], insert: [] }
    for (let round = 1; round <= rounds; round++) {
      await bench.step(`${concurrency} at once, round ${round} of ${rounds}: ${perRound} of each`, async () => {
        for (const kind of kinds) taken[kind].push(await works[kind](perRound, concurrency))
      })
    }
    lines.push(...linesOf(taken, concurrency))
    readings[`${concurrency} at once`] = roundsOf(taken)
  }
  const { probes, postgres } = await bench.cluster()
  const profileCount = perRound * 2
  const notes = bench.options.profile
    ? await profiled(probes, REQUIRED_SERVICES, () =>
        databaseWork(postgres, profileCount, () => works.join(profileCount, JOIN_CONCURRENCY)),
      )
    : []
  await stop()
  return { row: 'joins', title: 'Joins', lines, notes, readings }
}

async function prepare(bench: Bench): Promise<{ works: Record<Kind, Work>; stop: () => Promise<void> }> {
  const cluster = await bench.cluster()
  const { address, caPins } = await bench.target()
  const { material } = bench
  const load = bench.startLoad()
  const bareGrpc = bench.startFloor()
  const bareTls = bench.startFloor()
  const grpcAddress = await bareGrpc.call('serveGrpc', { material, clientCertificates: false })
  const tlsAddress = await bareTls.call('serveTls', { material, clientCertificates: false })
  const token = await cluster.createToken()
  const url = cluster.postgres.url()
  const works: Record<Kind, Work> = {
    call: (count, concurrency) =>
      metered({ bare: () => bareGrpc.pid }, () =>
        load.call('freshCalls', { count, concurrency, address: grpcAddress, rootPem: material.rootPem }),
      ),
    async join(count, concurrency) {
      await load.call('prepareJoins', { count })
      const input = { concurrency, address, caPins, token }
      const reading = await metered(cluster.cpuGroups, () => load.call('joins', input))
      bench.addNodes(reading.result.nodes)
      return { ...reading, result: reading.result.durationsMs }
    },
    shake: (count, concurrency) =>
      metered({ bare: () => bareTls.pid }, () => load.call('handshakes', { count, concurrency, address: tlsAddress })),
    // Four times as many, since they are the quickest of all and the clock counts in steps of 10 ms.
    insert: (count, concurrency) =>
      metered({ bare: () => cluster.postgres.pid }, () => load.call('inserts', { count: count * 4, concurrency, url })),
  }
  const stop = async () => {
    for (const worker of [load, bareGrpc, bareTls]) await worker.stop()
  }
  return { works, stop }
}

function linesOf({ call, join, shake, insert }: Taken, concurrency: number): Line[] {
  const [joins, calls, shakes, inserts] = [each(join), each(call), each(shake), each(insert)]
  const withFloor = (value: number) => ({ floor: { what: 'bare grpc-js unary call on a fresh TLS connection', value } })
  const share = (name: string) => `  of it ${name} (${Math.round((joins.cpu[name]! / total(joins.cpu)) * 100)} %)`
  return [
    {
      what: `server CPU of a join, ${concurrency} at once`,
      value: total(joins.cpu),
      unit: 'ms',
      ...withFloor(total(calls.cpu)),
      target: { atMost: 2.5 },
    },
    ...Object.entries(joins.cpu).map(([name, value]) => ({ what: share(name), value, unit: 'ms' })),
    {
      what: '  joins, as many as this machine makes',
      value: joins.perSecond,
      unit: '/s',
      ...withFloor(calls.perSecond),
    },
    { what: '  time of a join, median', value: joins.p50, unit: 'ms', ...withFloor(calls.p50) },
    { what: '  time of a join, 99th percentile', value: joins.p99, unit: 'ms', ...withFloor(calls.p99) },
    { what: '  server CPU of a bare TLS handshake', value: total(shakes.cpu), unit: 'ms' },
    { what: '  server CPU of a bare durable Postgres insert', value: total(inserts.cpu), unit: 'ms' },
    { what: '  bare durable Postgres inserts', value: inserts.perSecond, unit: '/s' },
  ]
}

function each(taken: readonly Reading<number[]>[]) {
  const durations = taken.flatMap(({ result }) => result)
  const cpu = Object.entries(added(taken.map(({ cpuMs }) => cpuMs)))
  return {
    cpu: Object.fromEntries(cpu.map(([name, ms]) => [name, ms / durations.length])),
    perSecond: durations.length / (sum(taken.map(({ wallMs }) => wallMs)) / 1000),
    p50: quantile(durations, 0.5),
    p99: quantile(durations, 0.99),
  }
}

/** CPU milliseconds of one operation, round by round: whether the rounds agree says how far to trust their mean. */
function roundsOf(taken: Taken): Record<string, number[]> {
  const perOperation = ({ cpuMs, result }: Reading<number[]>) => Number((total(cpuMs) / result.length).toFixed(3))
  return Object.fromEntries(Object.entries(taken).map(([kind, readings]) => [kind, readings.map(perOperation)]))
}
