export { createIssuing, createRoot } from './issuing/authority.ts'
export type { AuthorityRequest, AuthorityType } from './issuing/authority.ts'
export { parseIdentity, spkiPin } from './reading/certificate.ts'
export type { Identity } from './reading/certificate.ts'
export { certifiedIdentity } from './reading/certified.ts'
export { verifyChain } from './reading/chain.ts'
export type { ChainRequest } from './reading/chain.ts'
export { createCsr, parseCsr } from './reading/csr.ts'
export type { CsrRequest } from './reading/csr.ts'
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
export { isDnsName, isNameText, isSpiffeId } from './asn1/names.ts'
export { chainPem, dersFromPem, pemFromDer } from './pem.ts'
export { newSerial, serialHex } from './issuing/serial.ts'
