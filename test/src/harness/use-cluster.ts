import { afterAll, beforeAll } from '@jest/globals'
import { Lifecycle } from '@muster/runtime'
import { type Cluster, type ClusterOptions, type RunningCluster, startCluster } from './cluster.ts'
import { processesOf } from './processes.ts'
import { joinSharedCluster } from './shared-cluster.ts'
import { waitFor } from './waiting.ts'

const START_LIMIT_MS = 120_000

/**
 * One cluster for all tests of a file: started before the first, stopped after the last, however they end. Fails the
 * file if a process is left over.
 */
export function useCluster(options: ClusterOptions = {}): () => Cluster {
  const life = new Lifecycle()
  let starting: Promise<Cluster> | undefined
  let cluster: Cluster | undefined
  beforeAll(async () => {
    starting = startCluster(life, options)
    cluster = await starting
  }, START_LIMIT_MS)
  afterAll(async () => {
    // A start that took too long must also end with the file.
    await starting?.catch(() => {})
    await life.close()
    if (cluster === undefined) return
    const { dataDir } = cluster
    await waitFor('the end of every process of the cluster', () => processesOf(dataDir).length === 0)
  }, START_LIMIT_MS)
  return () => cluster!
}

/**
 * The cluster that all test files share which break nothing of it, started by the first of them. Other files use it at
 * the same time: look only at the members and tokens that your own file has made.
 */
export function useSharedCluster(): () => RunningCluster {
  const life = new Lifecycle()
  let cluster: RunningCluster | undefined
  beforeAll(async () => {
    cluster = await joinSharedCluster(life)
  }, START_LIMIT_MS)
  afterAll(() => life.close(), START_LIMIT_MS)
  return () => cluster!
}
