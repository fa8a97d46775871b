import { parseNodeId, parseNodeRoles } from '@muster/domain'
import { assertKeyForm } from '@muster/pki'
import { memberOf, pkiField, type UnaryHandler } from '@muster/rpc'
import type { ca } from '@muster/contracts'
import type { Deps } from '../deps.ts'
import { issueCertificate } from '../issuing/issue-certificate.ts'
import { trustBundle } from './trust-bundle.ts'

/**
 * Issues a node certificate. registration-service has checked the node's right to it; ca-service composes its content. Safe
 * to repeat: each call issues another certificate for the same node.
 */
export function signHost({
  config,
  pool,
  clock,
  authorities,
}: Deps): UnaryHandler<ca.SignHostRequest, ca.SignHostResponse> {
  return async (request, { peer }) => {
    const nodeId = parseNodeId(request.nodeId)
    const roles = parseNodeRoles(request.roles)
    pkiField('public_key_der', () => assertKeyForm(request.publicKeyDer))
    const current = authorities()
    const certificate = await issueCertificate(
      { db: pool, authorities: current, clock, clusterName: config.MUSTER_CLUSTER_NAME },
      {
        kind: 'node',
        name: nodeId,
        roles,
        // A name of the node's own choice would let it pose as any server to clients that check DNS names.
        dnsNames: [`${nodeId}.node.${config.MUSTER_CLUSTER_NAME}`],
        publicKeyDer: request.publicKeyDer,
        ttlSeconds: config.MUSTER_NODE_CERTIFICATE_TTL_SECONDS,
        requestedBy: memberOf(peer).spiffeId,
      },
    )
    return { certificate, trustBundle: trustBundle(current, config.MUSTER_CLUSTER_NAME) }
  }
}
