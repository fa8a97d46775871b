import { isDnsName } from '@muster/domain'
import {
  keyIdentifier,
  leafConstraints,
  leafExtendedKeyUsage,
  leafKeyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from '../asn1/extensions.ts'
import { issuerFacts } from './issuer.ts'
import type { Issuer } from './issuer.ts'
import { assertKeyForm } from '../keys.ts'
import { buildName, isSpiffeId } from '../asn1/names.ts'
import { assertSerial } from './serial.ts'
import { signCertificate } from './sign-certificate.ts'
import { wholeSeconds } from '../asn1/times.ts'

const maxDnsNames = 16
const maxRoles = 16
const rolePattern = /^[a-z][a-z0-9-]{0,63}$/

/** The content of a member's certificate, and its issuer. */
export interface LeafRequest {
  issuer: Issuer
  /** DER SubjectPublicKeyInfo from a request that `parseCsr` accepted. */
  publicKeyDer: Uint8Array
  /** From `newSerial`, recorded before this call. */
  serial: Uint8Array
  spiffeId: string
  /** 1 to 64 characters. */
  commonName: string
  /** One O each, sorted and without repeats; at most 16. */
  roles: readonly string[]
  /** Lower-cased, without repeats; at most 16. */
  dnsNames: readonly string[]
  notBefore: Date
  notAfter: Date
}

/**
 * Issues a leaf certificate (DER) for one identity. It changes nothing in the request, except that dates lose their
 * fraction of a second. The profile is RFC 5280 and SPIFFE X509-SVID: version 3, digitalSignature only, both TLS purposes,
 * one URI name.
 *
 * Throws RangeError for a name, serial or role outside the allow-lists, for notAfter not after notBefore or past the
 * issuer's; PkiError KEY_NOT_ALLOWED or CSR_MALFORMED for the form of the key. `parseCsr` has checked already that the
 * point is on the curve. The same request gives the same certificate except for the signature: ECDSA is randomized.
 */
export function issueLeaf(request: LeafRequest): Buffer {
  const { issuer, publicKeyDer, serial, spiffeId, commonName } = request
  const facts = issuerFacts(issuer)
  const notBefore = wholeSeconds(request.notBefore)
  const notAfter = wholeSeconds(request.notAfter)
  if (notAfter <= notBefore) throw new RangeError('notAfter is not after notBefore')
  if (notAfter > facts.notAfter) throw new RangeError("notAfter is past the issuer's")
  assertSerial(serial)
  if (!isSpiffeId(spiffeId)) throw new RangeError('spiffeId: spiffe://<trust domain>/<path> is needed')
  const dnsNames = allowed(
    request.dnsNames.map((name) => name.toLowerCase()),
    'dnsNames',
    isDnsName,
    maxDnsNames,
  )
  const roles = allowed(request.roles, 'roles', (role) => rolePattern.test(role), maxRoles).sort()
  assertKeyForm(publicKeyDer)
  const extensions = [
    leafConstraints,
    leafKeyUsage,
    leafExtendedKeyUsage,
    facts.authorityKeyIdentifier,
    subjectKeyIdentifier(keyIdentifier(publicKeyDer)),
    subjectAltName(spiffeId, dnsNames),
  ]
  const subject = buildName({ organizations: roles, commonName })
  const fields = { serial, issuer: facts.name, notBefore, notAfter, subject, spkiDer: publicKeyDer, extensions }
  return signCertificate(fields, issuer.privateKey)
}

function allowed(
  values: readonly string[],
  what: string,
  isAllowed: (value: string) => boolean,
  max: number,
): string[] {
  const unique = [...new Set(values)]
  if (unique.length > max) throw new RangeError(`${what}: at most ${max}`)
  if (!unique.every(isAllowed)) throw new RangeError(`${what}: one of them is not allowed`)
  return unique
}
