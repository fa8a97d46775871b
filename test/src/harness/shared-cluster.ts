import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { byService, SERVICE_NAMES } from '@muster/domain'
import { Lifecycle } from '@muster/runtime'
import { connectClients, type RunningCluster, startCluster } from './cluster.ts'

/** Where test files ask for the shared cluster; jest's own process answers. */
const URL_VARIABLE = 'MUSTER_TEST_SHARED_CLUSTER_URL'

/** The facts that a test file needs about a cluster that another process has started. */
type Description = Pick<RunningCluster, 'dataDir' | 'operatorDir' | 'profile' | 'services'> & { databaseUrl: string }

/**
 * Offers one cluster to all test files of a run, which starts when the first of them asks for it.
 * @returns how to stop it
 */
export async function offerSharedCluster(): Promise<() => Promise<void>> {
  const life = new Lifecycle()
  let starting: Promise<Description> | undefined
  const server = createServer((_request, response) => {
    starting ??= describeNewCluster(life)
    starting.then(
      (description) => response.end(JSON.stringify(description)),
      (error: Error) => response.writeHead(500).end(error.stack),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  process.env[URL_VARIABLE] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return async () => {
    server.close()
    server.closeAllConnections()
    await starting?.catch(() => {})
    await life.close()
  }
}

async function describeNewCluster(life: Lifecycle): Promise<Description> {
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
  const response = await fetch(process.env[URL_VARIABLE]!)
  if (!response.ok) throw new Error(`the shared cluster did not start: ${await response.text()}`)
  const description = (await response.json()) as Description
  const { databaseUrl: _, ...cluster } = description
  return { ...cluster, life, ...(await connectClients(life, description)) }
}
