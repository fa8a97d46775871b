import { describe, expect, test } from '@jest/globals'
import { createIssuing, createRoot } from '../issuing/authority.ts'
import { certifiedIdentity } from './certified-identity.ts'
import { generateKey, publicKeyDer } from '../keys.ts'
import { issueLeaf } from '../issuing/leaf.ts'
import { leafRequest } from '../../test/support/certificates.ts'

const HOUR_MS = 3_600_000
const hoursFromNow = (hours: number) => new Date(Date.now() + hours * HOUR_MS)
const own = publicKeyDer(generateKey())
const { root, issuing } = authority()

function authority() {
  const days = {
    type: 'host',
    clusterName: 'muster.internal',
    notBefore: hoursFromNow(-24),
    notAfter: hoursFromNow(24),
  } as const
  const made = createRoot(days)
  return { root: made, issuing: createIssuing({ ...days, root: made }) }
}

function ask(
  dates: { notBefore: Date; notAfter: Date },
  overrides: Partial<Parameters<typeof certifiedIdentity>[0]> = {},
) {
  const request = leafRequest(issuing, { publicKeyDer: own, ...dates })
  const chainDer = [issueLeaf(request), issuing.certificateDer]
  const asked = { chainDer, rootsDer: [root.certificateDer], spiffeId: request.spiffeId, publicKeyDer: own }
  return certifiedIdentity({ ...asked, at: new Date(), ...overrides })
}

const good = { notBefore: hoursFromNow(-1), notAfter: hoursFromNow(1) }
const ended = { notBefore: hoursFromNow(-2), notAfter: hoursFromNow(-1) }

describe('proof that a key is certified under a name', () => {
  test('a key is certified by a whole chain to one of the roots, for that key and that name', () => {
    expect(ask(good)).toMatchObject({ publicKeyDer: own })
  })

  test('a key is not certified by a leaf for another name or key, nor under other roots', () => {
    expect(ask(good, { spiffeId: 'spiffe://muster.internal/node/another' })).toBeUndefined()
    expect(ask(good, { publicKeyDer: publicKeyDer(generateKey()) })).toBeUndefined()
    expect(ask(good, { rootsDer: [authority().root.certificateDer] })).toBeUndefined()
  })

  test('a key is not certified by an empty chain, by bytes that are not a certificate, or by more than a leaf and its issuing CA', () => {
    for (const chainDer of [[], [Buffer.from('junk')], [Buffer.from('junk'), issuing.certificateDer]]) {
      expect(ask(good, { chainDer })).toBeUndefined()
    }
    const leaf = issueLeaf(leafRequest(issuing, { publicKeyDer: own, ...good }))
    expect(ask(good, { chainDer: [leaf] })).toBeUndefined()
    expect(ask(good, { chainDer: [leaf, issuing.certificateDer, root.certificateDer] })).toBeUndefined()
  })

  test('a key is certified by an expired certificate only if the caller allows that', () => {
    expect(ask(ended)).toBeUndefined()
    expect(ask(ended, { at: 'end' })).toMatchObject({ publicKeyDer: own })
  })

  test('a key is certified by a certificate that begins in the future, since the local clock may be behind', () => {
    expect(ask({ notBefore: hoursFromNow(1), notAfter: hoursFromNow(2) })).toMatchObject({ publicKeyDer: own })
  })
})
