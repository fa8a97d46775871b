import { AppError, AUTHORITY_OF, CERTIFICATE_BACKDATE_MS, formatSpiffeId, type MemberKind } from '@muster/domain'
import { issueLeaf, keyFingerprint, newSerial, serialHex } from '@muster/pki'
import type { Db } from '@muster/postgres'
import type { Clock } from '@muster/runtime'
import type { ca } from '@muster/contracts'
import type { Authorities } from '../authorities/authorities.ts'

/** A certificate to be issued: for whom, for which key, and how long. */
export interface CertificateRequest {
  kind: MemberKind
  name: string
  roles: readonly string[]
  dnsNames: readonly string[]
  /** SubjectPublicKeyInfo, DER; checked by the caller. */
  publicKeyDer: Buffer
  ttlSeconds: number
  /** The certificate ends no later than this, whatever is left of its usual life. */
  endsBy?: Date
  /** SPIFFE id of whoever asked. */
  requestedBy: string
}

/** What issues certificates: the authorities that sign now, and where certificates are recorded. */
export interface IssueDeps {
  db: Db
  authorities: Authorities
  clusterName: string
  clock: Clock
}

/**
 * Issues a leaf certificate. The serial is recorded first and the signature made second (Boulder does the same), so a
 * crash between the two leaves a record without a certificate and never the other way round. Each call issues a new one.
 */
export async function issueCertificate(deps: IssueDeps, request: CertificateRequest): Promise<ca.IssuedCertificate> {
  const { issuing } = deps.authorities[AUTHORITY_OF[request.kind]]
  const now = deps.clock.now().getTime()
  const serial = newSerial()
  const notBefore = new Date(now - CERTIFICATE_BACKDATE_MS)
  const notAfter = new Date(
    Math.min(now + request.ttlSeconds * 1000, request.endsBy?.getTime() ?? Number.POSITIVE_INFINITY),
  )
  if (notAfter > issuing.expiresAt) {
    throw new AppError('unavailable', 'the issuing CA ends too soon for this certificate; a new one is being made')
  }
  const spiffeId = formatSpiffeId({ clusterName: deps.clusterName, kind: request.kind, name: request.name })

  await recordCertificate(deps.db, { ...request, spiffeId, serial, notBefore, notAfter, issuingId: issuing.id })
  const leafDer = issueLeaf({
    issuer: issuing,
    publicKeyDer: request.publicKeyDer,
    serial,
    spiffeId,
    commonName: request.name,
    roles: [...request.roles],
    dnsNames: [...request.dnsNames],
    notBefore,
    notAfter,
  })
  return { chainDer: [leafDer, issuing.certificateDer], serial: serialHex(serial), expiresAt: notAfter }
}

interface CertificateRecord extends CertificateRequest {
  serial: Buffer
  issuingId: string
  spiffeId: string
  notBefore: Date
  notAfter: Date
}

async function recordCertificate(db: Db, record: CertificateRecord): Promise<void> {
  await db.query({
    name: 'record-certificate',
    text: `
      insert into certificates
        (serial, issuing_ca_id, spiffe_id, roles, key_fingerprint, not_before, not_after, requested_by)
      values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    values: [
      record.serial,
      record.issuingId,
      record.spiffeId,
      record.roles,
      keyFingerprint(record.publicKeyDer),
      record.notBefore,
      record.notAfter,
      record.requestedBy,
    ],
  })
}

/** Forgets certificates that ended over 30 days ago. */
export async function purgeCertificates(db: Db): Promise<void> {
  await db.query(
    `delete from certificates
      where not_after < now() - interval '30 days'`,
  )
}
