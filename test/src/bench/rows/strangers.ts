import type { Bench } from '../bench.ts'
import { floorService } from '../floor-service.ts'
import { metered, type CpuGroups, total } from '../meter.ts'
import type { Line, Section } from '../report.ts'

const HEALTH = '/grpc.health.v1.Health/Check'
/** Of a core, in percent, that one source may use: the default of MUSTER_GATE_CPU_PERCENT_PER_SOURCE. */
const TARGET_PERCENT = 5

/**
 * The CPU time that one source without an identity can make the servers use per second, once its first burst is used up,
 * beside that of a bare grpc-js server under the same flood.
 */
export async function measureStrangers(bench: Bench): Promise<Section> {
  const { warmUpMs, durationMs } = bench.options.quick
    ? { warmUpMs: 3_000, durationMs: 3_000 }
    : { warmUpMs: 15_000, durationMs: 15_000 }
  const cluster = await bench.cluster()
  const { address } = await bench.target()
  const { material } = bench
  const load = bench.startLoad()
  const bare = bench.startFloor()
  const bareAddress = await bare.call('serveGrpc', { material, clientCertificates: false })
  const bareCpu: CpuGroups = { bare: () => bare.pid }

  const measure = async (flood: (ms: number, at: string, isBare: boolean) => Promise<number>) => {
    await flood(warmUpMs, address, false)
    const ours = await metered(cluster.cpuGroups, () => flood(durationMs, address, false))
    const floor = await metered(bareCpu, () => flood(durationMs, bareAddress, true))
    return { ours, floor }
  }
  const lines: Line[] = []
  const readings: Record<string, unknown> = {}
  const floods = {
    'TLS handshakes': (ms: number, at: string) => load.call('floodHandshakes', { address: at, durationMs: ms }),
    calls: (ms: number, at: string, isBare: boolean) =>
      load.call('floodCalls', { address: at, durationMs: ms, path: isBare ? floorService.unary.path : HEALTH }),
  }
  for (const [name, flood] of Object.entries(floods)) {
    const { ours, floor } = await bench.step(`${name} without end`, () => measure(flood))
    readings[name] = { ours, floor }
    lines.push(
      {
        what: `server CPU, ${name} from one source`,
        value: percentOf(ours),
        unit: '% of a core',
        target: { atMost: TARGET_PERCENT },
      },
      { what: '  the same by bare grpc-js', value: percentOf(floor), unit: '% of a core' },
      {
        what: '  answered',
        value: perSecond(ours),
        unit: '/s',
        floor: { what: 'bare grpc-js', value: perSecond(floor) },
      },
    )
  }
  for (const worker of [load, bare]) await worker.stop()
  return { row: 'strangers', title: 'Strangers', lines, readings }
}

type Measured = Awaited<ReturnType<typeof metered<number>>>

function percentOf({ cpuMs, wallMs }: Measured): number {
  return (total(cpuMs) / wallMs) * 100
}

function perSecond({ result, wallMs }: Measured): number {
  return result / (wallMs / 1_000)
}
