import { SERVICE_NAMES, type ServiceName } from '@muster/domain'
import type { RunningCluster } from '../../harness/cluster.ts'
import type { Rise } from '../attack.ts'

/** Counters by name: see `readCounters`. */
export type Counters = ReadonlyMap<string, number>

const COUNTER = /^(muster_gate_refused_total|muster_rpc_(?:stream_)?duration_seconds_count)\{(.*)\} (\d+)$/gm

/**
 * Adds up the counters of every replica. They are called `gate evicted` by reason, `calls UNAUTHENTICATED` by status, and
 * `token-service SpendToken` by service and RPC.
 */
export async function readCounters({ services }: Pick<RunningCluster, 'services'>): Promise<Counters> {
  const sums = new Map<string, number>()
  const add = (name: string, count: number) => sums.set(name, (sums.get(name) ?? 0) + count)
  const read = async (service: ServiceName, address: string) => {
    const text = await (await fetch(`http://${address}/metrics`)).text()
    for (const [, metric, labels, count] of text.matchAll(COUNTER)) {
      const label = (name: string) => new RegExp(`\\b${name}="([^"]*)"`).exec(labels!)![1]!
      if (metric === 'muster_gate_refused_total') add(`gate ${label('reason')}`, Number(count))
      else {
        add(`calls ${label('code')}`, Number(count))
        add(`${service} ${label('method').split('/').at(-1)}`, Number(count))
      }
    }
  }
  const replicas = SERVICE_NAMES.flatMap((name) => services[name].map((replica) => ({ name, replica })))
  await Promise.all(replicas.map(({ name, replica }) => read(name, replica.diagnosticsAddress)))
  return sums
}

/** How much each counter rose between two readings. */
export function riseOf(before: Counters, after: Counters): Rise {
  return (name) => (after.get(name) ?? 0) - (before.get(name) ?? 0)
}
