import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fetchPinnedRoot } from '@muster/rpc'
import type { Lifecycle } from '@muster/runtime'
import { startCluster, type BenchCluster } from './cluster.ts'
import { makeFloorMaterial } from './floor-pki.ts'
import type { FloorServerTasks } from './floor-server.ts'
import type { JoinedNode } from './load-connections.ts'
import type { LoadTasks } from './load.ts'
import type { BenchOptions } from './options.ts'
import { startWorker, type Worker } from './worker.ts'

export type Step = <T>(title: string, work: () => Promise<T>) => Promise<T>

/** The parts that rows share: a cluster, started for the first row that needs it, nodes that have joined, other processes. */
export interface Bench {
  options: BenchOptions
  life: Lifecycle
  step: Step
  /** A new folder of this run; removed with everything else. */
  folder(name: string): Promise<string>
  cluster(): Promise<BenchCluster>
  /** The facts that nodes know about the cluster. */
  target(): Promise<{ address: string; caPins: string[]; clusterName: string; rootPem: string }>
  /** At least so many nodes that have joined; those that are missing join now. */
  nodes(count: number): Promise<JoinedNode[]>
  /** Adds nodes that a row has let join. */
  addNodes(nodes: readonly JoinedNode[]): void
  startLoad(): Worker<LoadTasks>
  /** A process with a bare server. */
  startFloor(): Worker<FloorServerTasks>
  material: ReturnType<typeof makeFloorMaterial>
}

export const JOIN_CONCURRENCY = 16

/** Starts nothing yet. `life` ends everything that is started later. */
export function createBench(options: BenchOptions, life: Lifecycle, step: Step): Bench {
  const joined: JoinedNode[] = []
  let opened: Promise<BenchCluster> | undefined
  const bench: Bench = {
    options,
    life,
    step,
    material: makeFloorMaterial(),
    async folder(name) {
      const made = await mkdtemp(path.join(os.tmpdir(), `muster-bench-${name}-`))
      return life.own(name, made, (folder) => rm(folder, { recursive: true, force: true }))
    },
    cluster() {
      opened ??= bench.folder('cluster').then((folder) => startCluster(folder, life, step))
      return opened
    },
    async target() {
      const { controlPlane } = await bench.cluster()
      const { caPins, clusterName, addresses } = controlPlane.profile
      const rootPem = await fetchPinnedRoot({ address: addresses.registration, pins: caPins })
      return { address: addresses.registration, caPins, clusterName, rootPem }
    },
    async nodes(count) {
      const missing = count - joined.length
      if (missing > 0) await step(`${missing} nodes join`, () => joinMore(bench, missing))
      return joined.slice(0, count)
    },
    addNodes: (nodes) => void joined.push(...nodes),
    startLoad: () => startWorker<LoadTasks>('bench/load', life),
    startFloor: () => startWorker<FloorServerTasks>('bench/floor-server', life),
  }
  return bench
}

async function joinMore(bench: Bench, count: number): Promise<void> {
  const cluster = await bench.cluster()
  const { address, caPins } = await bench.target()
  const load = bench.startLoad()
  const token = await cluster.createToken()
  await load.call('prepareJoins', { count })
  const { nodes } = await load.call('joins', { concurrency: JOIN_CONCURRENCY, address, caPins, token })
  bench.addNodes(nodes)
  await load.stop()
}
