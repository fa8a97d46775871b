export { createIssuing, createRoot } from './issuing/authority.ts'
export type { AuthorityRequest } from './issuing/authority.ts'
export { parseIdentity, spkiPin } from './verifying/parse-identity.ts'
export type { Identity } from './verifying/parse-identity.ts'
export { certifiedIdentity } from './verifying/certified-identity.ts'
export { verifyChain } from './verifying/verify-chain.ts'
export type { ChainRequest } from './verifying/verify-chain.ts'
export { createCsr, parseCsr } from './verifying/csr.ts'
export type { CsrRequest } from './verifying/csr.ts'
export { PkiError } from './errors.ts'
export type { PkiReason } from './errors.ts'
export type { Issuer } from './issuing/issuer.ts'
export {
  assertKeyAllowed,
  assertKeyForm,
  generateKey,
  keyFingerprint,
  privateKeyFromPem,
  privateKeyPem,
  publicKeyDer,
} from './keys.ts'
export type { KeyAlgorithm } from './keys.ts'
export { issueLeaf } from './issuing/leaf.ts'
export type { LeafRequest } from './issuing/leaf.ts'
export { hasSignedChallenge, signChallenge } from './challenge.ts'
export { isNameText, isSpiffeId } from './asn1/names.ts'
export { chainPem, dersFromPem, pemFromDer } from './pem.ts'
export { newSerial, serialHex } from './issuing/serial.ts'
export { isGenuineVoucher, rootsVouchedFor, vouchForRoot } from './issuing/voucher.ts'
export type { RootVoucher } from './issuing/voucher.ts'
