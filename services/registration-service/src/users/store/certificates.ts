import type { Db } from '@muster/postgres'
import { IS_BANNED } from '../../bans/stored-ban.ts'
import type { GrantedCertificate } from '../../trust/granted-trust.ts'
import type { KeyHolder } from './sessions.ts'

/** A certificate that was issued for a person's key. */
export interface NewCertificate extends KeyHolder, GrantedCertificate {}

/** The certificate of a renewal, with facts for the audit. */
export interface RenewedCertificate extends NewCertificate {
  /** The caller, as the audit names them. */
  actor: string
  remoteAddress: string
  /** Whether the last certificate had expired. */
  hasReturned: boolean
}

const NOTE_CERTIFICATE = `
  update users
     set certificate_serial = $3,
         certificate_expires_at = $4,
         certificate_authority = $5,
         trust_version = $6,
         last_seen_at = date_trunc('milliseconds', now())
   where name = $1
     and key_fingerprint = $2
     and not ${IS_BANNED}`

function valuesOf(certificate: NewCertificate): unknown[] {
  const { name, keyFingerprint, serial, expiresAt, authorityNumber, trustVersion } = certificate
  return [name, keyFingerprint, serial, expiresAt, authorityNumber, trustVersion]
}

/** Stores the certificate of a signup. @returns false if the key is no longer the person's, or the person is locked out */
export async function noteFirstCertificate(db: Db, certificate: NewCertificate): Promise<boolean> {
  const { rowCount } = await db.query(NOTE_CERTIFICATE, valuesOf(certificate))
  return rowCount === 1
}

/** Stores the certificate of a renewal, with its audit event. @returns false as `noteFirstCertificate` */
export async function recordUserRenewal(db: Db, renewal: RenewedCertificate): Promise<boolean> {
  const { actor, remoteAddress, hasReturned } = renewal
  const { rowCount } = await db.query(
    `with noted as (
       ${NOTE_CERTIFICATE}
       returning name, roles)
     select record_audit(
              action => 'user.renew', actor => $7, remote_address => $8,
              details => jsonb_build_object('user', name, 'roles', roles, 'serial', $3::text) || $9::jsonb)
       from noted`,
    [...valuesOf(renewal), actor, remoteAddress, hasReturned ? { returned: true } : {}],
  )
  return rowCount === 1
}
