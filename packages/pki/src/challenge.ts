import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'

/** No other signature of a node's key starts like this: a signed challenge means nothing else. */
const CONTEXT = Buffer.from('muster recovery 1\0')

/** Proves the possession of a key: signs a challenge with it. */
export function signChallenge(privateKey: KeyObject, challenge: Uint8Array): Buffer {
  return sign(digestFor(privateKey), Buffer.concat([CONTEXT, challenge]), privateKey)
}

/** True if this key signed the challenge. Returns false, and never throws, for malformed bytes. */
export function hasSignedChallenge(publicKeyDer: Uint8Array, challenge: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(publicKeyDer), format: 'der', type: 'spki' })
    return verify(digestFor(key), Buffer.concat([CONTEXT, challenge]), key, signature)
  } catch {
    return false
  }
}

function digestFor({ asymmetricKeyType }: KeyObject): 'sha256' | null {
  return asymmetricKeyType === 'ed25519' ? null : 'sha256'
}
