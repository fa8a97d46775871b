import type { ca } from '@muster/contracts'
import { AUTHORITY_OF, findService, invalid, type MemberKind, parseNodeId, type ServiceName } from '@muster/domain'
import { type DuplexHandler, memberOf } from '@muster/rpc'
import type { Authorities } from '../authorities/authorities.ts'
import type { Deps } from '../deps.ts'
import { recordReplica, type Replica } from '../rotation/replica-rows.ts'
import { currentRevision } from '../rotation/rotation-rows.ts'
import { signerFor } from '../rotation/rotation-state.ts'
import { trustBundle } from './trust-bundle.ts'

/**
 * Tells a service what to trust and which authorities sign, at once and after each change, and records what the service
 * confirms. The first answer is never older than the last move that was committed.
 */
export function watchTrustBundle({
  config,
  pool,
  authorities,
}: Deps): DuplexHandler<ca.WatchTrustBundleRequest, ca.WatchTrustBundleResponse> {
  return (stream, context) => {
    const service = findService(memberOf(context.peer).name)!
    const tell = () => stream.send(trustNow(authorities.current, config.MUSTER_CLUSTER_NAME))
    let stopTelling = () => {}
    let isFirst = true
    let recorded = Promise.resolve()
    let told = Promise.resolve()
    return new Promise<void>((resolve, reject) => {
      context.signal.addEventListener('abort', () => resolve(), { once: true })
      stream.onEnd(() => {
        Promise.all([recorded, told]).then(() => resolve(), reject)
      })
      stream.onMessage((message) => {
        const replica = parseReplica(message, service)
        // One after the other: what it confirmed last must stand.
        recorded = recorded.then(() => recordReplica(pool, replica))
        recorded.catch(reject)
        if (!isFirst) return
        isFirst = false
        stopTelling = authorities.onChange(tell)
        told = authorities.follow(() => currentRevision(pool)).then(tell)
        told.catch(reject)
      })
    }).finally(() => stopTelling())
  }
}

/** The bundle, and the authority that signs for each kind of member. */
function trustNow(authorities: Authorities, clusterName: string): ca.WatchTrustBundleResponse {
  const signer = (kind: MemberKind) => signerFor(authorities[AUTHORITY_OF[kind]], kind).number
  return {
    trustBundle: trustBundle(authorities, clusterName),
    signers: { node: signer('node'), service: signer('service'), user: signer('user') },
  }
}

function parseReplica(request: ca.WatchTrustBundleRequest, service: ServiceName): Replica {
  const { replicaId, hostname, trustBundleVersion, authorityNumber } = request
  if (!/^[\x20-\x7e]{0,253}$/.test(hostname)) {
    throw invalid('hostname', 'must be at most 253 characters of printable ASCII')
  }
  const id = parseNodeId(replicaId, 'replica_id')
  return { id, service, hostname, trustVersion: trustBundleVersion, authorityNumber }
}
