import { describe, expect, test } from '@jest/globals'
import { hasSignedChallenge, signChallenge } from './challenge.ts'
import { generateKey, publicKeyDer } from './keys.ts'

const challenge = Buffer.alloc(32, 7)

describe.each(['p256', 'ed25519'] as const)('a challenge signed by a key of type %s', (algorithm) => {
  const key = generateKey(algorithm)
  const signature = signChallenge(key, challenge)

  test('a signed challenge proves its key, for that challenge only', () => {
    expect(hasSignedChallenge(publicKeyDer(key), challenge, signature)).toBe(true)
    expect(hasSignedChallenge(publicKeyDer(key), Buffer.alloc(32, 8), signature)).toBe(false)
    expect(hasSignedChallenge(publicKeyDer(generateKey(algorithm)), challenge, signature)).toBe(false)
  })

  test('malformed bytes prove nothing', () => {
    expect(hasSignedChallenge(publicKeyDer(key), challenge, Buffer.from('junk'))).toBe(false)
    expect(hasSignedChallenge(Buffer.from('junk'), challenge, signature)).toBe(false)
    expect(hasSignedChallenge(publicKeyDer(key), challenge, Buffer.alloc(0))).toBe(false)
  })
})
