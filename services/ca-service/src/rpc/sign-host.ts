import { parseNodeId, parseNodeRoles } from '@muster/domain'
import { assertKeyForm } from '@muster/pki'
import { memberOf, pkiField, type UnaryHandler } from '@muster/rpc'
import type { ca } from '@muster/contracts'
import type { Deps } from '../deps.ts'
import { grantCertificate } from '../issuing/grant-certificate.ts'

/**
 * Issues a node certificate. registration-service has checked the node's right to it; ca-service composes its content. Safe
 * to repeat: each call issues another certificate for the same node.
 */
export function signHost(deps: Deps): UnaryHandler<ca.SignHostRequest, ca.SignHostResponse> {
  return async (request, { peer }) => {
    const nodeId = parseNodeId(request.nodeId)
    const roles = parseNodeRoles(request.roles)
    pkiField('public_key_der', () => assertKeyForm(request.publicKeyDer))
    return grantCertificate(deps, {
      kind: 'node',
      name: nodeId,
      roles,
      // A name of the node's own choice would let it pose as any server to clients that check DNS names.
      dnsNames: [`${nodeId}.node.${deps.config.MUSTER_CLUSTER_NAME}`],
      publicKeyDer: request.publicKeyDer,
      ttlSeconds: deps.config.MUSTER_NODE_CERTIFICATE_TTL_SECONDS,
      requestedBy: memberOf(peer).spiffeId,
    })
  }
}
