import { describe, expect, test } from '@jest/globals'
import { createIssuing, createRoot } from '../issuing/authority.ts'
import { verifyChain } from './verify-chain.ts'
import { generateKey, publicKeyDer } from '../keys.ts'
import { issueLeaf } from '../issuing/leaf.ts'
import { leafConstraints } from '../asn1/extensions.ts'
import {
  after,
  dayMs,
  leafRequest,
  mutate,
  now,
  seededRandom,
  testAuthority,
  unusualLeaf,
} from '../../test/support/certificates.ts'

const { root, issuing } = testAuthority()
const other = testAuthority()
const leafDer = issueLeaf(leafRequest(issuing))
const chain = { leafDer, intermediatesDer: [issuing.certificateDer], rootsDer: [root.certificateDer], now }

describe('verifyChain', () => {
  test('verifyChain accepts a leaf under its issuing CA and root, among others', () => {
    expect(verifyChain(chain)).toBe(true)
    const rootsDer = [other.root.certificateDer, root.certificateDer]
    const intermediatesDer = [other.issuing.certificateDer, issuing.certificateDer]
    expect(verifyChain({ ...chain, rootsDer, intermediatesDer })).toBe(true)
  })

  test('verifyChain refuses a chain of another root, and one that brings its own root along', () => {
    expect(verifyChain({ ...chain, rootsDer: [other.root.certificateDer] })).toBe(false)
    const intermediatesDer = [issuing.certificateDer, root.certificateDer]
    expect(verifyChain({ ...chain, intermediatesDer, rootsDer: [other.root.certificateDer] })).toBe(false)
    expect(verifyChain({ ...chain, rootsDer: [] })).toBe(false)
  })

  test('verifyChain refuses a leaf without its issuing CA', () => {
    expect(verifyChain({ ...chain, intermediatesDer: [] })).toBe(false)
    expect(verifyChain({ ...chain, intermediatesDer: [other.issuing.certificateDer] })).toBe(false)
  })

  test('verifyChain refuses a chain before it begins and after any part of it ends', () => {
    expect(verifyChain({ ...chain, now: after(-3_600_000) })).toBe(false)
    expect(verifyChain({ ...chain, now: after(dayMs) })).toBe(true)
    expect(verifyChain({ ...chain, now: after(dayMs + 1000) })).toBe(false)
    const days = { type: 'host', clusterName: 'muster.internal', notBefore: after(-dayMs) } as const
    const old = createRoot({ ...days, notAfter: after(2 * dayMs) })
    const short = createIssuing({ ...days, root: old, notAfter: after(1000) })
    const leaf = issueLeaf(leafRequest(short, { notAfter: after(1000) }))
    const expiring = { leafDer: leaf, intermediatesDer: [short.certificateDer], rootsDer: [old.certificateDer] }
    expect(verifyChain({ ...expiring, now })).toBe(true)
    expect(verifyChain({ ...expiring, now: after(2000) })).toBe(false)
  })

  test('verifyChain rejects a leaf whose issuing CA has expired, or is not valid yet, though leaf and root are in date', () => {
    const days = { type: 'host', clusterName: 'muster.internal', root } as const
    const expired = createIssuing({ ...days, notBefore: after(-dayMs), notAfter: after(-1000) })
    const future = createIssuing({ ...days, notBefore: after(1000), notAfter: after(dayMs) })
    for (const issuer of [expired, future]) {
      const leafOfIt = unusualLeaf(issuer, [leafConstraints], after(dayMs))
      const itsChain = { ...chain, leafDer: leafOfIt, intermediatesDer: [issuer.certificateDer] }
      expect(verifyChain(itsChain)).toBe(false)
      const validAt = issuer === future ? after(2000) : after(-2000)
      expect(verifyChain({ ...itsChain, now: validAt })).toBe(true)
    }
  })

  test('verifyChain rejects a chain whose root is not valid yet, though issuing CA and leaf are in date', () => {
    const days = { type: 'host', clusterName: 'muster.internal', notAfter: after(2 * dayMs) } as const
    const future = createRoot({ ...days, notBefore: after(1000) })
    const early = createIssuing({ ...days, root: future, notBefore: after(-dayMs) })
    const itsChain = {
      leafDer: issueLeaf(leafRequest(early)),
      intermediatesDer: [early.certificateDer],
      rootsDer: [future.certificateDer],
    }
    expect(verifyChain({ ...itsChain, now })).toBe(false)
    expect(verifyChain({ ...itsChain, now: after(2000) })).toBe(true)
  })

  test('verifyChain refuses a leaf in the place of the issuing CA and a CA in the place of the leaf', () => {
    const privateKey = generateKey()
    const between = issueLeaf(leafRequest(issuing, { publicKeyDer: publicKeyDer(privateKey) }))
    expect(verifyChain({ ...chain, leafDer: between })).toBe(true)
    const impostor = { ...issuing, privateKey }
    expect(() => issueLeaf(leafRequest(impostor))).toThrow(RangeError)
    expect(verifyChain({ ...chain, leafDer: issuing.certificateDer, intermediatesDer: [] })).toBe(false)
    expect(verifyChain({ ...chain, leafDer: root.certificateDer })).toBe(false)
  })

  test('verifyChain refuses a second CA below the issuing CA, which its path length forbids', () => {
    const deeper = createIssuing({
      root: issuing,
      type: 'host',
      clusterName: 'muster.internal',
      notBefore: after(-dayMs),
      notAfter: after(dayMs),
    })
    const deepLeaf = issueLeaf(leafRequest(deeper))
    const intermediatesDer = [deeper.certificateDer, issuing.certificateDer]
    expect(verifyChain({ ...chain, leafDer: deepLeaf, intermediatesDer })).toBe(false)
  })

  test('verifyChain refuses a leaf damaged at random, and bytes that are not a certificate, without an exception', () => {
    for (let seed = 1; seed <= 500; seed++) {
      const injured = mutate(leafDer, seededRandom(seed))
      if (injured.equals(leafDer)) continue
      expect({ seed, accepted: verifyChain({ ...chain, leafDer: injured }) }).toEqual({ seed, accepted: false })
    }
    expect(verifyChain({ ...chain, rootsDer: [Buffer.from('junk')] })).toBe(false)
  })
})
