import type { Bench } from '../bench.ts'
import { added, metered, type Reading } from '../meter.ts'
import { profiled } from '../profiled.ts'
import type { Line, Section } from '../report.ts'
import { quantile, sum } from '../statistics.ts'

const PIPELINED_SETS = 100_000

/**
 * How many beats a second of server CPU time carries, beside a bare echo stream over mTLS with messages of the same
 * size. Each stream beats as soon as its last beat was answered. Beats of one node that come within 20 ms share a Redis
 * command, which few streams this fast profit from and a real fleet does not: the larger count is the one to read.
 */
export async function measureHeartbeats(bench: Bench): Promise<Section> {
  const counts = bench.options.quick ? [200] : [200, 2_000]
  const lines: Line[] = []
  const notes: string[] = []
  for (const count of counts) {
    const measured = await measureStreams(bench, count, count === counts.at(-1))
    lines.push(...measured.lines)
    notes.push(...measured.notes)
  }
  const cluster = await bench.cluster()
  const load = bench.startLoad()
  const { cpuMs } = await bench.step(`${PIPELINED_SETS} pipelined Redis commands`, () =>
    metered({ Redis: cluster.cpuGroups['Redis']! }, () =>
      load.call('pipelinedSets', { url: cluster.redis.url, count: PIPELINED_SETS }),
    ),
  )
  await load.stop()
  const perCpuSecond = PIPELINED_SETS / (cpuMs['Redis']! / 1000)
  lines.push({ what: 'bare pipelined Redis SET with TTL, per Redis CPU-second', value: perCpuSecond, unit: '/s' })
  return { row: 'heartbeats', title: 'Heartbeats, each stream on a connection of its own', lines, notes }
}

async function measureStreams(bench: Bench, count: number, last: boolean): Promise<{ lines: Line[]; notes: string[] }> {
  const [rounds, durationMs] = bench.options.quick ? [2, 2_000] : [3, 4_000]
  const { step, material } = bench
  const cluster = await bench.cluster()
  const { address, clusterName, rootPem } = await bench.target()
  const nodes = await bench.nodes(count)
  const floor = bench.startFloor()
  const floorAddress = await floor.call('serveGrpc', { material, clientCertificates: true })
  const [load, floorLoad] = [bench.startLoad(), bench.startLoad()]
  await step(`${count} streams, and as many bare ones`, async () => {
    await load.call('openStreams', { address, clusterName, rootPem, nodes, isFloor: false })
    await floorLoad.call('openStreams', {
      address: floorAddress,
      clusterName: material.clusterName,
      rootPem: material.rootPem,
      nodes: nodes.map(() => material.node),
      isFloor: true,
    })
    // Warm-up; for the streams of the cluster also the end of what their opening left to do.
    await load.call('beats', { durationMs: 2_000 })
    await floorLoad.call('beats', { durationMs: 2_000 })
  })
  const { 'registration-service': registration, Redis, Postgres } = cluster.cpuGroups
  const groups = { registration: registration!, Redis: Redis!, Postgres: Postgres! }
  const taken: Taken[] = []
  const bare: Taken[] = []
  for (let round = 1; round <= rounds; round++) {
    await step(`beats on ${count} streams, round ${round} of ${rounds}`, async () => {
      bare.push(await metered({ bare: () => floor.pid }, () => floorLoad.call('beats', { durationMs })))
      taken.push(await metered(groups, () => load.call('beats', { durationMs })))
    })
  }
  const notes =
    bench.options.profile && last
      ? await profiled(cluster.probes, ['registration-service'], async () => {
          const { durationsMs } = await load.call('beats', { durationMs })
          return `${durationsMs.length} beats on ${count} streams under the profiler.`
        })
      : []
  for (const worker of [load, floorLoad, floor]) await worker.stop()
  const { cpu, ...beats } = summed(taken)
  const floorBeats = summed(bare)
  const what = `bare grpc-js echo on ${count} mTLS streams`
  const cpuSeconds = (cpu['registration']! + cpu['Redis']!) / 1000
  const micros = (name: string) => (cpu[name]! * 1000) / beats.count
  const lines: Line[] = [
    {
      what: `beats per server CPU-second, ${count} streams`,
      value: beats.count / cpuSeconds,
      unit: '/s',
      floor: { what, value: floorBeats.count / (floorBeats.cpu['bare']! / 1000) },
      target: { atLeast: 0.5 },
    },
    { what: `  a beat's CPU time in registration-service`, value: micros('registration'), unit: 'µs' },
    { what: `  a beat's CPU time in Redis`, value: micros('Redis'), unit: 'µs' },
    { what: `  a beat's CPU time in Postgres`, value: micros('Postgres'), unit: 'µs' },
    {
      what: `beats, as fast as this machine makes them`,
      value: beats.perSecond,
      unit: '/s',
      floor: { what, value: floorBeats.perSecond },
    },
    { what: `time of a beat, 99th percentile`, value: beats.p99, unit: 'ms', floor: { what, value: floorBeats.p99 } },
  ]
  return { lines, notes }
}

type Taken = Reading<{ durationsMs: number[] }>

function summed(taken: readonly Taken[]) {
  const durations = taken.flatMap(({ result }) => result.durationsMs)
  return {
    count: durations.length,
    perSecond: durations.length / (sum(taken.map(({ wallMs }) => wallMs)) / 1000),
    p99: quantile(durations, 0.99),
    cpu: added(taken.map(({ cpuMs }) => cpuMs)),
  }
}
