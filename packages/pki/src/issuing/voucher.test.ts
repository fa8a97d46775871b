import { describe, expect, test } from '@jest/globals'
import { createRoot } from './authority.ts'
import { isGenuineVoucher, rootsVouchedFor, vouchForRoot } from './voucher.ts'

const DAY_MS = 86_400_000

function root(type: 'host' | 'user' = 'host') {
  const dates = { notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() + DAY_MS) }
  return createRoot({ type, clusterName: 'test.muster.internal', ...dates })
}

const [first, second, third] = [root(), root(), root()]
const forSecond = vouchForRoot(first, second.certificateDer)

describe('a voucher', () => {
  test('a voucher is genuine for the root and the signer that it names', () => {
    expect(isGenuineVoucher(forSecond)).toBe(true)
  })

  test.each([
    ['another root', { rootDer: third.certificateDer }],
    ['another signer', { signerDer: third.certificateDer }],
    ['a changed signature', { signature: Buffer.from(forSecond.signature).fill(0, 8, 12) }],
    ['no signature', { signature: Buffer.alloc(0) }],
    ['a root that is no certificate', { rootDer: Buffer.from('junk') }],
    [
      'a root that did not sign itself',
      { rootDer: Buffer.concat([second.certificateDer.subarray(0, -1), Buffer.of(0)]) },
    ],
  ])('a voucher with %s is not genuine', (_what, change) => {
    expect(isGenuineVoucher({ ...forSecond, ...change })).toBe(false)
  })
})

describe('the roots that trusted roots vouch for', () => {
  const forThird = vouchForRoot(second, third.certificateDer)
  const all = [first.certificateDer, second.certificateDer, third.certificateDer]

  test('a chain of vouchers leads from the first root to the last, in whichever order they come', () => {
    expect(rootsVouchedFor([first.certificateDer], [forSecond, forThird])).toEqual(all)
    expect(rootsVouchedFor([first.certificateDer], [forThird, forSecond])).toEqual(all)
  })

  test('a voucher leads nowhere from a root that did not sign it', () => {
    expect(rootsVouchedFor([third.certificateDer], [forSecond, forThird])).toEqual([third.certificateDer])
    expect(rootsVouchedFor([], [forSecond])).toEqual([])
  })

  test('a forged voucher leads nowhere', () => {
    const forged = { ...vouchForRoot(third, second.certificateDer), signerDer: first.certificateDer }
    expect(rootsVouchedFor([first.certificateDer], [forged])).toEqual([first.certificateDer])
  })
})
