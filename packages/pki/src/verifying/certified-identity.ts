import { parseIdentity, type Identity } from './parse-identity.ts'
import { verifyChain } from './verify-chain.ts'

export interface CertifiedRequest {
  /** Leaf first, then its issuing CA; DER. */
  chainDer: readonly Uint8Array[]
  rootsDer: readonly Uint8Array[]
  spiffeId: string
  /** SubjectPublicKeyInfo, DER. */
  publicKeyDer: Uint8Array
  /** `now`, or `end` for a certificate that may have ended: whether it was good until then. */
  at: 'now' | 'end'
}

/**
 * What a chain says of this key under this name, or undefined if one of the roots does not vouch for that: the leaf is for
 * another name or key, the chain is not whole, or anything in it cannot be read. For whoever is handed a certificate outside
 * TLS. A clock that is behind does not make a fresh certificate look foreign.
 */
export function certifiedIdentity(request: CertifiedRequest): Identity | undefined {
  const { chainDer, rootsDer, spiffeId, publicKeyDer, at } = request
  const [leafDer, ...intermediatesDer] = chainDer
  const leaf = leafDer && readLeaf(leafDer)
  if (leafDer === undefined || leaf === undefined || intermediatesDer.length > 1) return undefined
  const now = at === 'end' ? leaf.notAfter : new Date(Math.max(Date.now(), leaf.notBefore.getTime()))
  const isTheirs = leaf.spiffeId === spiffeId && leaf.publicKeyDer.equals(publicKeyDer)
  return isTheirs && verifyChain({ leafDer, intermediatesDer, rootsDer, now }) ? leaf : undefined
}

function readLeaf(der: Uint8Array): Identity | undefined {
  try {
    return parseIdentity(der)
  } catch {
    return undefined
  }
}
