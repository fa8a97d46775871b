import { sign, verify, X509Certificate } from 'node:crypto'
import type { Issuer } from './issuer.ts'

/** The statement of one root that another root belongs to the same cluster. */
export interface RootVoucher {
  /** The root that is vouched for; X.509 in DER. */
  rootDer: Buffer
  /** The root that vouches; X.509 in DER. */
  signerDer: Buffer
  signature: Buffer
}

/** No certificate, whose signed part is an ASN.1 sequence, starts like this: the signature means nothing else. */
const CONTEXT = Buffer.from('muster root voucher 1\0')

/** Signs a voucher: a member that trusts the signer may trust the root too. */
export function vouchForRoot(signer: Issuer, rootDer: Buffer): RootVoucher {
  const signature = sign('sha256', Buffer.concat([CONTEXT, rootDer]), signer.privateKey)
  return { rootDer, signerDer: signer.certificateDer, signature }
}

/** True if the signer signed this voucher, and both are CAs. Returns false, and never throws, for malformed bytes. */
export function isGenuineVoucher({ rootDer, signerDer, signature }: RootVoucher): boolean {
  try {
    const [root, signer] = [new X509Certificate(rootDer), new X509Certificate(signerDer)]
    const isSelfSigned = root.checkIssued(root) && root.verify(root.publicKey)
    return (
      root.ca &&
      signer.ca &&
      isSelfSigned &&
      verify('sha256', Buffer.concat([CONTEXT, rootDer]), signer.publicKey, signature)
    )
  } catch {
    return false
  }
}

/** The given roots, and every root that one of them vouches for, directly or by way of another. */
export function rootsVouchedFor(trustedDer: readonly Buffer[], vouchers: readonly RootVoucher[]): Buffer[] {
  const roots = [...trustedDer]
  const isKnown = (der: Buffer) => roots.some((root) => root.equals(der))
  let unused = vouchers.filter(isGenuineVoucher)
  for (;;) {
    const found = unused.filter(({ signerDer, rootDer }) => isKnown(signerDer) && !isKnown(rootDer))
    if (found.length === 0) return roots
    for (const { rootDer } of found) if (!isKnown(rootDer)) roots.push(rootDer)
    unused = unused.filter((voucher) => !found.includes(voucher))
  }
}
