import { type AuthorityType, isDnsName } from '@muster/domain'
import { caConstraints, caKeyUsage, keyIdentifier, subjectKeyIdentifier } from '../asn1/extensions.ts'
import { issuerFacts } from './issuer.ts'
import type { Issuer } from './issuer.ts'
import { generateKey, publicKeyDer } from '../keys.ts'
import { buildName } from '../asn1/names.ts'
import { newSerial, serialHex } from './serial.ts'
import { signCertificate } from './sign-certificate.ts'
import { wholeSeconds } from '../asn1/times.ts'

/** The content of a CA certificate. */
export interface AuthorityRequest {
  type: AuthorityType
  /** DNS-like, lower case, at most 64 characters. */
  clusterName: string
  notBefore: Date
  notAfter: Date
}

/**
 * Creates a self-signed root: a new P-256 key, one CA allowed below it (pathLen 1), and a unique subject, so that two
 * generations in one bundle do not collide. Throws RangeError for a bad cluster name or dates.
 */
export function createRoot(request: AuthorityRequest): Issuer {
  const { serial, subject, privateKey, spkiDer, notBefore, notAfter } = prepare(request, 'root')
  const extensions = [caConstraints(1), caKeyUsage, subjectKeyIdentifier(keyIdentifier(spkiDer))]
  const fields = { serial, issuer: subject, notBefore, notAfter, subject, spkiDer, extensions }
  return { certificateDer: signCertificate(fields, privateKey), privateKey }
}

/**
 * Creates an issuing CA under a root: a new P-256 key, only leaves below it (pathLen 0), a unique subject. Throws
 * RangeError for a bad cluster name or dates, or an end past the root's.
 */
export function createIssuing(request: AuthorityRequest & { root: Issuer }): Issuer {
  const { serial, subject, privateKey, spkiDer, notBefore, notAfter } = prepare(request, 'issuing')
  const root = issuerFacts(request.root)
  if (notAfter > root.notAfter) throw new RangeError("notAfter is past the root's")
  const extensions = [
    caConstraints(0),
    caKeyUsage,
    root.authorityKeyIdentifier,
    subjectKeyIdentifier(keyIdentifier(spkiDer)),
  ]
  const fields = { serial, issuer: root.name, notBefore, notAfter, subject, spkiDer, extensions }
  return { certificateDer: signCertificate(fields, request.root.privateKey), privateKey }
}

function prepare({ type, clusterName, ...dates }: AuthorityRequest, kind: 'root' | 'issuing') {
  if (!isDnsName(clusterName)) throw new RangeError('cluster name: a lower-case DNS name is needed')
  const notBefore = wholeSeconds(dates.notBefore)
  const notAfter = wholeSeconds(dates.notAfter)
  if (notAfter <= notBefore) throw new RangeError('notAfter is not after notBefore')
  const serial = newSerial()
  const privateKey = generateKey()
  const subject = buildName({
    organizations: [clusterName],
    organizationalUnit: type,
    commonName: `Muster ${type} ${kind} ${serialHex(serial).slice(0, 8)}`,
  })
  return { serial, subject, privateKey, spkiDer: publicKeyDer(privateKey), notBefore, notAfter }
}
