import type { registration } from '@muster/contracts'
import {
  invalid,
  type Labels,
  type NodeRole,
  parseAdvertisedAddress,
  parseHostname,
  parseLabels,
  parseJoinRoles,
} from '@muster/domain'
import { keyFingerprint, parseCsr } from '@muster/pki'
import { pkiField } from '@muster/rpc'

/** A well-formed join request from a caller who holds the private key. The token is not checked yet. */
export interface JoinRequest {
  token: string
  /** SubjectPublicKeyInfo, DER: the only part of the CSR that is used. */
  publicKeyDer: Buffer
  keyFingerprint: Buffer
  hostname: string
  roles: NodeRole[]
  advertisedAddress: string
  labels: Labels
  version: string
}

/** Checks every field: cheap checks first, the signature of the CSR last. @throws invalidArgument that names the field */
export function parseJoinRequest(request: registration.RegisterRequest): JoinRequest {
  if (request.token === '' || request.token.length > 512) throw invalid('token', 'must be 1 to 512 characters')
  const hostname = parseHostname(request.hostname)
  const parsed = {
    token: request.token,
    hostname,
    roles: parseJoinRoles(request.roles),
    advertisedAddress: parseAdvertisedAddress(request.advertisedAddress),
    labels: parseLabels(request.labels),
    version: parseVersion(request.version),
  }
  const { publicKeyDer } = pkiField('csr_der', () => parseCsr(request.csrDer))
  return { ...parsed, publicKeyDer, keyFingerprint: keyFingerprint(publicKeyDer) }
}

/** Checks the version of a program; it may be empty. @throws invalidArgument */
export function parseVersion(value: string): string {
  if (!/^[0-9A-Za-z.+-]{0,64}$/.test(value))
    throw invalid('version', 'must be at most 64 letters, digits, dots, plus or minus signs')
  return value
}
