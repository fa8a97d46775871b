export { createIssuing, createRoot } from './authority.ts'
export type { AuthorityRequest, AuthorityType } from './authority.ts'
export { parseIdentity, spkiPin } from './certificate.ts'
export type { Identity } from './certificate.ts'
export { certifiedIdentity } from './certified.ts'
export { verifyChain } from './chain.ts'
export type { ChainRequest } from './chain.ts'
export { createCsr, parseCsr } from './csr.ts'
export type { CsrRequest } from './csr.ts'
export { PkiError } from './errors.ts'
export type { PkiReason } from './errors.ts'
export type { Issuer } from './issuer.ts'
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
export { issueLeaf } from './leaf.ts'
export type { LeafRequest } from './leaf.ts'
export { isDnsName, isNameText, isSpiffeId } from './names.ts'
export { chainPem, dersFromPem, pemFromDer } from './pem.ts'
export { newSerial, serialHex } from './serial.ts'
