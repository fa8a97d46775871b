import { parseIdentity, type Identity } from './parse-identity.ts'
import { verifyChain } from './verify-chain.ts'

/** A chain, and the identity that it should prove. */
export interface CertifiedRequest {
  /** Leaf first, then its issuing CA; DER. */
  chainDer: readonly Uint8Array[]
  rootsDer: readonly Uint8Array[]
  spiffeId: string
  /** SubjectPublicKeyInfo, DER. */
  publicKeyDer: Uint8Array
  /** The time to check at; `end` is when the leaf ends: true also of a certificate that was valid once and has ended. */
  at: Date | 'end'
}

/**
 * The identity in a chain if one of the roots vouches for this key under this name. Undefined if the leaf is for another
 * name or key, the chain is incomplete, or a certificate cannot be read. For certificates received outside TLS. A leaf
 * that is not valid yet is accepted: the local clock may be behind.
 */
export function certifiedIdentity(request: CertifiedRequest): Identity | undefined {
  const { chainDer, rootsDer, spiffeId, publicKeyDer, at } = request
  const [leafDer, ...intermediatesDer] = chainDer
  const leaf = leafDer && readLeaf(leafDer)
  if (leafDer === undefined || leaf === undefined || intermediatesDer.length > 1) return undefined
  const now = at === 'end' ? leaf.notAfter : new Date(Math.max(at.getTime(), leaf.notBefore.getTime()))
  const isExpected = leaf.spiffeId === spiffeId && leaf.publicKeyDer.equals(publicKeyDer)
  return isExpected && verifyChain({ leafDer, intermediatesDer, rootsDer, now }) ? leaf : undefined
}

function readLeaf(der: Uint8Array): Identity | undefined {
  try {
    return parseIdentity(der)
  } catch {
    return undefined
  }
}
