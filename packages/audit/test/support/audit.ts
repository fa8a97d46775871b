import { audit } from '@muster/contracts'
import type { ClientOf, Connection } from '@muster/rpc'
import { type Clock, systemClock } from '@muster/runtime'
import { silentLog, testCluster, type TestCluster, type TestMaterial } from '@muster/testkit'
import { openStore as openAnyStore, type Store } from '@muster/testkit/store'
import { connectionsTo, serveForTest } from '@muster/testkit/rpc'
import { auditService } from '../../src/service.ts'

export { silentLog, type Store }

/** A database whose only content is an audit. */
export function openStore(): Promise<Store> {
  return openAnyStore({ schema: 'audited' })
}

/** Polls are more frequent than in production. */
const hurried: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 20, signal) }

export interface Served extends Store {
  cluster: TestCluster
  /** Connects with this TLS material. */
  connect(material: TestMaterial): Connection
  client: ClientOf<audit.AuditServiceService>
  /** Follows as an operator who may read the audit. */
  watch(request: Partial<audit.WatchEventsRequest>, signal: AbortSignal): AsyncIterable<audit.WatchEventsResponse>
}

/** The audit of token-service on a free port, on a real database. */
export async function serveAudit(): Promise<Served> {
  const store = await openStore()
  const cluster = testCluster()
  const server = await serveForTest({
    clusterName: cluster.clusterName,
    identity: cluster.service('token-service'),
    services: [auditService({ name: 'token-service', pool: store.pool, clock: hurried })],
  })
  const { connect, closeAll } = connectionsTo(server, 'token-service')
  const viewer = connect(cluster.user('v', 'viewer'))
  const { watchEvents } = audit.AuditServiceService
  return {
    ...store,
    cluster,
    connect,
    client: viewer.client(audit.AuditServiceService),
    watch: (request, signal) =>
      viewer.serverStream(watchEvents, { filter: undefined, afterPosition: '', ...request }, signal),
    async close() {
      closeAll()
      await server.close()
      await store.close()
    },
  }
}

/** A filter with only the given conditions. */
export function filterBy(wanted: Partial<audit.EventFilter>): audit.EventFilter {
  return { since: undefined, action: '', actor: '', tokenId: '', nodeId: '', outcome: 0, ...wanted }
}
