import { AppError, AUTHORITY_OF, CERTIFICATE_BACKDATE_MS, formatSpiffeId, type MemberKind } from '@muster/domain'
import { issueLeaf, keyFingerprint, newSerial, serialHex } from '@muster/pki'
import { type Db, inBatches } from '@muster/postgres'
import type { Clock } from '@muster/runtime'
import type { ca } from '@muster/contracts'
import type { Authorities } from '../authorities/authorities.ts'
import { OutdatedAuthorities } from '../authorities/current-authorities.ts'
import { signerFor } from '../rotation/rotation-state.ts'

/** A certificate to issue: for which member, for which key, and for how long. */
export interface CertificateRequest {
  kind: MemberKind
  name: string
  roles: readonly string[]
  dnsNames: readonly string[]
  /** SubjectPublicKeyInfo, DER; checked by the caller. */
  publicKeyDer: Buffer
  ttlSeconds: number
  /** The certificate expires at this time at the latest. */
  endsBy?: Date
  /** SPIFFE id of the caller. */
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
 * Issues a leaf certificate. It records the serial before it signs (as Boulder does), so a crash between the two leaves a
 * record without a certificate, never a certificate without a record. Each call issues a new certificate.
 * @throws OutdatedAuthorities if a rotation has moved since the authorities were loaded
 */
export async function issueCertificate(deps: IssueDeps, request: CertificateRequest): Promise<ca.IssuedCertificate> {
  const { issuing, number } = signerFor(deps.authorities[AUTHORITY_OF[request.kind]], request.kind)
  const now = deps.clock.now().getTime()
  const serial = newSerial()
  const notBefore = new Date(now - CERTIFICATE_BACKDATE_MS)
  const notAfter = new Date(
    Math.min(now + request.ttlSeconds * 1000, request.endsBy?.getTime() ?? Number.POSITIVE_INFINITY),
  )
  if (notAfter > issuing.expiresAt) {
    throw new AppError(
      'unavailable',
      'the issuing CA expires before this certificate would; a new issuing CA is being made',
    )
  }
  const spiffeId = formatSpiffeId({ clusterName: deps.clusterName, kind: request.kind, name: request.name })

  const { revision } = deps.authorities
  const record = { ...request, spiffeId, serial, notBefore, notAfter, issuingId: issuing.id, revision }
  if (!(await recordCertificate(deps.db, record))) throw new OutdatedAuthorities()
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
  return {
    chainDer: [leafDer, issuing.certificateDer],
    serial: serialHex(serial),
    expiresAt: notAfter,
    authorityNumber: number,
  }
}

interface CertificateRecord extends CertificateRequest {
  serial: Buffer
  issuingId: string
  spiffeId: string
  notBefore: Date
  notAfter: Date
  /** Of the authorities that the issuing CA was chosen from. */
  revision: number
}

/** @returns false, without a record, if the authorities have another revision now */
async function recordCertificate(db: Db, record: CertificateRecord): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'record-certificate',
    text: `
      insert into certificates
        (serial, issuing_ca_id, spiffe_id, roles, key_fingerprint, not_before, not_after, requested_by)
      select $1::bytea, $2::bigint, $3::text, $4::text[], $5::bytea, $6::timestamptz, $7::timestamptz, $8::text
       where (select sum(revision) from rotations) = $9`,
    values: [
      record.serial,
      record.issuingId,
      record.spiffeId,
      record.roles,
      keyFingerprint(record.publicKeyDer),
      record.notBefore,
      record.notAfter,
      record.requestedBy,
      record.revision,
    ],
  })
  return rowCount === 1
}

/** Deletes certificates that expired over 30 days ago, in batches. Safe on all replicas at once. @returns how many */
export function purgeCertificates(db: Db, signal: AbortSignal): Promise<number> {
  const text = `
    delete from certificates
     where ctid = any (array(
       select ctid
         from certificates
        where not_after < now() - interval '30 days'
        order by not_after
        limit $1
          for update skip locked))`
  return inBatches(db, { text }, signal)
}
