import { formatSpiffeId, invalid, isNodeId, parseSpiffeId, refusal } from '@muster/domain'
import { certifiedIdentity, type Identity, parseIdentity } from '@muster/pki'

/** An expired certificate of a node that verifies. */
export interface FormerCertificate extends Pick<Identity, 'serial' | 'publicKeyDer' | 'spiffeId'> {
  /** The id of the node. */
  id: string
  expiresAt: Date
}

/**
 * Reads the chain of a node's last certificate, which was valid until it expired. It proves nothing about the caller.
 * @param rootsDer the host roots that may have signed it
 * @throws RECOVERY_NOT_PROVED if it is not a node's, or not of this cluster; invalidArgument if there is none, or it has not expired
 */
export function formerCertificate(
  chainDer: readonly Buffer[],
  { clusterName, rootsDer, now }: { clusterName: string; rootsDer: readonly Buffer[]; now: Date },
): FormerCertificate {
  if (chainDer.length === 0) throw invalid('former_chain_der', 'must have the last certificate of the node')
  const leaf = readLeaf(chainDer[0])
  const id = leaf && parseSpiffeId(leaf.spiffeId)?.name
  if (leaf === undefined || id === undefined || !isNodeId(id)) throw notProved()
  const { publicKeyDer } = leaf
  const spiffeId = formatSpiffeId({ clusterName, kind: 'node', name: id })
  const certified = certifiedIdentity({ chainDer, rootsDer, spiffeId, publicKeyDer, at: 'end' })
  if (certified === undefined) throw notProved()
  if (certified.notAfter > now) throw invalid('former_chain_der', 'has not expired: renew it')
  return { id, serial: certified.serial, publicKeyDer, spiffeId, expiresAt: certified.notAfter }
}

/** The error for a caller who has not proved the key of a certificate of this cluster. */
export function notProved() {
  return refusal(
    'RECOVERY_NOT_PROVED',
    'the certificate is not one of a node of this cluster, or its key was not proved',
  )
}

function readLeaf(der: Buffer | undefined): Identity | undefined {
  try {
    return der && parseIdentity(der)
  } catch {
    return undefined
  }
}
