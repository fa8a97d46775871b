import type { Bench } from '../bench.ts'
import type { Collected } from '../collect.ts'
import type { StreamsInput } from '../load-streams.ts'
import { rssOf } from '../process-usage.ts'
import type { Line, Section } from '../report.ts'

const KIB = 1024
const SETTLE_MS = 3_000

interface Growth {
  /** Resident memory as it is some seconds after the streams were opened; bytes a stream. */
  settled: number
  /** The same after garbage collections on both sides: what the streams hold, rather than what opening them left behind. */
  rss: number
  heap: number
}

/**
 * How much the memory of registration-service grows with each open stream, beside that of a bare server with as many
 * mTLS streams. Both are fresh processes that have served a tenth as many streams before, to have their code loaded.
 */
export async function measureMemory(bench: Bench): Promise<Section> {
  const count = bench.options.quick ? 300 : 2_000
  const { material, step } = bench
  const cluster = await bench.cluster()
  const nodes = await bench.nodes(count)
  await step('registration-service restarts', () => cluster.restartRegistration())
  const { address, clusterName, rootPem } = await bench.target()
  const probe = cluster.probes['registration-service']
  const real = await step(`${count} idle streams`, () =>
    measureGrowth(bench, {
      pid: cluster.controlPlane.services['registration-service'][0]!.pid,
      collect: () => probe.collectGarbage(),
      streams: { address, clusterName, rootPem, nodes, isFloor: false },
    }),
  )
  const floor = bench.startFloor()
  const floorAddress = await floor.call('serveGrpc', { material, clientCertificates: true })
  const bare = await step(`${count} idle bare streams`, () =>
    measureGrowth(bench, {
      pid: floor.pid,
      collect: () => floor.call('collect'),
      streams: {
        address: floorAddress,
        clusterName: material.clusterName,
        rootPem: material.rootPem,
        nodes: nodes.map(() => material.node),
        isFloor: true,
      },
    }),
  )
  await floor.stop()
  const what = `as many bare grpc-js mTLS streams`
  const line = (title: string, of: keyof Growth): Line => ({
    what: title,
    value: real[of] / KIB,
    unit: 'KiB',
    floor: { what, value: bare[of] / KIB },
    by: 'difference',
  })
  return {
    row: 'memory',
    title: `Memory of an open stream, ${count} streams`,
    lines: [
      { ...line('resident, after garbage collection', 'rss'), target: { atMost: 60 } },
      line('resident, as it is after some seconds', 'settled'),
      line('JavaScript heap, after garbage collection', 'heap'),
    ],
  }
}

interface Subject {
  pid: number
  collect: () => Promise<Collected>
  streams: StreamsInput
}

async function measureGrowth(bench: Bench, { pid, collect, streams }: Subject): Promise<Growth> {
  const count = streams.nodes.length
  const load = bench.startLoad()
  await load.call('openStreams', { ...streams, nodes: streams.nodes.slice(0, Math.ceil(count / 10)) })
  await load.call('closeStreams')
  await settle()
  const before = await collect()
  const residentBefore = rssOf(pid)
  await load.call('openStreams', streams)
  await settle()
  const residentAfter = rssOf(pid)
  const after = await collect()
  await load.stop()
  return {
    settled: (residentAfter - residentBefore) / count,
    rss: (after.rss - before.rss) / count,
    heap: (after.heapUsed - before.heapUsed) / count,
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
}
