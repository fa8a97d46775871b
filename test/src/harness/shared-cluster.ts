import { byService, SERVICE_NAMES } from '@muster/domain'
import type { Lifecycle } from '@muster/runtime'
import { connectClients, type RunningCluster, startCluster } from './cluster.ts'
import { askOncePerRun } from './once-per-run.ts'
import { useBundles } from './programs.ts'

/** The facts that a test file needs about a cluster that another process has started. */
type Description = Pick<RunningCluster, 'dataDir' | 'operatorDir' | 'profile' | 'services'> & { databaseUrl: string }

/** Starts the cluster that test files of a run share; `life` stops it. @returns what they need to know of it */
export async function startSharedCluster(life: Lifecycle): Promise<Description> {
  const { dataDir, operatorDir, profile, services, postgres } = await startCluster(life)
  return {
    dataDir,
    operatorDir,
    profile,
    services: byService(SERVICE_NAMES, (name) =>
      services[name].map(({ address, diagnosticsAddress }) => ({ address, diagnosticsAddress })),
    ),
    databaseUrl: postgres.url({ database: 'muster' }),
  }
}

/** Asks for the shared cluster and connects to it; `life` closes what this process has opened. */
export async function joinSharedCluster(life: Lifecycle): Promise<RunningCluster> {
  await useBundles()
  const description = await askOncePerRun<Description>('cluster')
  if (description === undefined) throw new Error('test files share a cluster only in a run of jest')
  const { databaseUrl: _, ...cluster } = description
  return { ...cluster, life, ...(await connectClients(life, description)) }
}
