import { showChains } from '../tools/show-chain.ts'

/** Each certificate of these chains is verified before the server can say no: up to half a second of CPU for one. */
export const longChain = showChains(
  { name: 'long-chain', tries: 'client certificates with 99 intermediates on P-521' },
  { curve: 'secp521r1', intermediates: 99 },
)

/** As above, with signatures that are wrong. */
export const garbageChain = showChains(
  { name: 'garbage-chain', tries: 'client certificates with 99 intermediates on P-521 and wrong signatures' },
  { curve: 'secp521r1', intermediates: 99, isGarbage: true },
)

/** As above, on a curve whose arithmetic is slow. */
export const binaryCurveChain = showChains(
  { name: 'binary-curve-chain', tries: 'client certificates with 60 intermediates on sect571r1' },
  { curve: 'sect571r1', intermediates: 60 },
)

/** Short enough to pass for the certificate of an honest member that has expired. */
export const shortChain = showChains(
  { name: 'short-chain', tries: 'small client certificates that the cluster has not issued' },
  { curve: 'prime256v1', intermediates: 1 },
)
