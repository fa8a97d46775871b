import { JOIN_CONCURRENCY, type Bench } from '../bench.ts'
import { SERVICES } from '../cluster.ts'
import { added, metered, total, type Reading } from '../meter.ts'
import { profiled } from '../profiled.ts'
import type { Line, Section } from '../report.ts'
import { quantile, sum } from '../statistics.ts'
import { databaseWork } from '../database-work.ts'

interface Counts {
  rounds: number
  /** Joins, calls, handshakes and inserts, each, in a round. */
  perRound: number
  warmUp: number
}

/**
 * What a join costs the servers, beside what a bare unary call, handshake and insert cost them. Rounds alternate between
 * them, so that whatever else this machine does falls on all alike; all are warmed up alike first.
 */
export async function measureJoins(bench: Bench): Promise<Section> {
  const { rounds, perRound, warmUp }: Counts = bench.options.quick
    ? { rounds: 2, perRound: 100, warmUp: 100 }
    : { rounds: 5, perRound: 200, warmUp: 400 }
  const cluster = await bench.cluster()
  const { address, caPins } = await bench.target()
  const { material, step } = bench
  const load = bench.startLoad()
  const bareGrpc = bench.startFloor()
  const bareTls = bench.startFloor()
  const grpcAddress = await bareGrpc.call('serveGrpc', { material, clientCertificates: false })
  const tlsAddress = await bareTls.call('serveTls', { material, clientCertificates: false })
  const token = await cluster.createToken()
  const insertUrl = cluster.postgres.url()

  const concurrency = JOIN_CONCURRENCY
  const join = async (count: number) => {
    await load.call('prepareJoins', { count })
    const reading = await metered(cluster.cpuGroups, () => load.call('joins', { concurrency, address, caPins, token }))
    bench.addNodes(reading.result.nodes)
    return { ...reading, result: reading.result.durationsMs }
  }
  const call = (count: number) =>
    metered({ bare: () => bareGrpc.pid }, () =>
      load.call('freshCalls', { count, concurrency, address: grpcAddress, rootPem: material.rootPem }),
    )
  const shake = (count: number) =>
    metered({ bare: () => bareTls.pid }, () => load.call('handshakes', { count, concurrency, address: tlsAddress }))
  const insert = (count: number) =>
    metered({ bare: () => cluster.postgres.pid }, () => load.call('inserts', { count, concurrency, url: insertUrl }))

  await step(`warm-up: ${warmUp} of each`, async () => {
    for (const work of [call, join, shake, insert]) await work(warmUp)
  })
  const taken: Taken = { call: [], join: [], shake: [], insert: [] }
  for (let round = 1; round <= rounds; round++) {
    await step(`joins, round ${round} of ${rounds}: ${perRound} of each`, async () => {
      taken.call.push(await call(perRound))
      taken.join.push(await join(perRound))
      taken.shake.push(await shake(perRound))
      taken.insert.push(await insert(perRound * 4))
    })
  }
  const notes = bench.options.profile
    ? await profiled(cluster.probes, SERVICES, () =>
        databaseWork(cluster.postgres, perRound * 2, () => join(perRound * 2)),
      )
    : []
  for (const worker of [load, bareGrpc, bareTls]) await worker.stop()
  return {
    row: 'joins',
    title: `Joins, ${concurrency} at once`,
    lines: linesOf(taken),
    notes,
    readings: roundsOf(taken),
  }
}

/** Readings of each kind, with how long each operation took. */
type Taken = Record<'call' | 'join' | 'shake' | 'insert', Reading<number[]>[]>

/** CPU milliseconds of one operation, round by round: whether the rounds agree says how far to trust their mean. */
function roundsOf(taken: Taken): unknown {
  return Object.fromEntries(
    Object.entries(taken).map(([kind, readings]) => [
      kind,
      readings.map(({ cpuMs, result }) => Number((total(cpuMs) / result.length).toFixed(3))),
    ]),
  )
}

function linesOf({ call, join, shake, insert }: Taken): Line[] {
  const each = (taken: Reading<number[]>[]) => {
    const durations = taken.flatMap(({ result }) => result)
    const cpu = added(taken.map(({ cpuMs }) => cpuMs))
    const perOperation = Object.fromEntries(Object.entries(cpu).map(([name, ms]) => [name, ms / durations.length]))
    const perSecond = durations.length / (sum(taken.map(({ wallMs }) => wallMs)) / 1000)
    return { cpu: perOperation, perSecond, p50: quantile(durations, 0.5), p99: quantile(durations, 0.99) }
  }
  const [joins, calls, shakes, inserts] = [each(join), each(call), each(shake), each(insert)]
  const bare = 'bare grpc-js unary call on a fresh TLS connection'
  const withFloor = (value: number) => ({ floor: { what: bare, value } })
  const share = (name: string) => `  of it ${name} (${Math.round((joins.cpu[name]! / total(joins.cpu)) * 100)} %)`
  return [
    {
      what: 'server CPU of a join',
      value: total(joins.cpu),
      unit: 'ms',
      ...withFloor(total(calls.cpu)),
      target: { atMost: 2.5 },
    },
    ...Object.entries(joins.cpu).map(([name, value]) => ({ what: share(name), value, unit: 'ms' })),
    {
      what: 'joins, as fast as this machine makes them',
      value: joins.perSecond,
      unit: '/s',
      ...withFloor(calls.perSecond),
    },
    { what: 'time of a join, median', value: joins.p50, unit: 'ms', ...withFloor(calls.p50) },
    { what: 'time of a join, 99th percentile', value: joins.p99, unit: 'ms', ...withFloor(calls.p99) },
    { what: 'server CPU of a bare TLS handshake', value: total(shakes.cpu), unit: 'ms' },
    { what: 'server CPU of a bare durable Postgres insert', value: total(inserts.cpu), unit: 'ms' },
    { what: 'bare durable Postgres inserts', value: inserts.perSecond, unit: '/s' },
  ]
}
