import type { NodeRole } from '@muster/domain'
import type { Db } from '@muster/postgres'
import { BAN_COLUMNS, type BanRow, banOf, IS_BANNED, type StoredBan } from '../../bans/stored-ban.ts'
import type { GrantedCertificate, GrantedTrust } from '../../trust/granted-trust.ts'

/** Why a node may not renew: `superseded` if it shows neither its last certificate nor the one before. */
export type RefusedRenewal = { check: 'unknown' | 'superseded' | 'too-soon' } | { check: 'banned'; ban: StoredBan }

/** Whether a node may renew, with the roles of its join. */
export type RenewalCheck = { check: 'allowed'; roles: NodeRole[] } | RefusedRenewal

/**
 * Checks whether a node may renew with the certificate that it shows: its last one or the one before, for the key of its
 * join, and not in the first twentieth of the last one's life. During a rotation a node that lacks the certificate or the
 * bundle of the phase may renew at any time.
 */
export async function checkRenewal(
  db: Db,
  id: string,
  shownSerial: string,
  keyFingerprint: Buffer,
  wanted?: GrantedTrust,
): Promise<RenewalCheck> {
  const { rows } = await db.query<BanRow & { roles: NodeRole[]; genuine: boolean; tooSoon: boolean }>(
    `select roles,
            $2 in (certificate_serial, previous_serial) and key_fingerprint = $3 as genuine,
            now() < certificate_issued_at + (certificate_expires_at - certificate_issued_at) / 20
              and ($4::int is null
                   or certificate_serial = $2 and certificate_authority = $4 and trust_version >= $5) as "tooSoon",
            ${BAN_COLUMNS}
       from nodes
      where id = $1
        and joined_at is not null`,
    [id, shownSerial, keyFingerprint, wanted?.authorityNumber ?? null, wanted?.trustVersion ?? null],
  )
  const [row] = rows
  if (row === undefined) return { check: 'unknown' }
  const ban = banOf(row)
  if (ban !== undefined) return { check: 'banned', ban }
  if (!row.genuine) return { check: 'superseded' }
  return row.tooSoon ? { check: 'too-soon' } : { check: 'allowed', roles: row.roles }
}

/** A renewal of a node's certificate. */
export interface NodeRenewal extends GrantedCertificate {
  id: string
  actor: string
  remoteAddress: string
  shownSerial: string
}

/** Stores a renewal on the same condition, with its audit event in the same statement. @returns false if it no longer holds */
export async function recordRenewal(db: Db, renewal: NodeRenewal): Promise<boolean> {
  const { rowCount } = await db.query(
    `with renewed as (
       update nodes
          set previous_serial = $2,
              certificate_serial = $3,
              certificate_issued_at = now(),
              certificate_expires_at = $4,
              certificate_authority = $7,
              trust_version = $8
        where id = $1
          and joined_at is not null
          and not ${IS_BANNED}
          and $2 in (certificate_serial, previous_serial)
       returning id)
     select record_audit(
              action => 'node.renew', actor => $5, remote_address => $6, node_id => id,
              details => jsonb_build_object('serial', $3::text))
       from renewed`,
    [
      renewal.id,
      renewal.shownSerial,
      renewal.serial,
      renewal.expiresAt,
      renewal.actor,
      renewal.remoteAddress,
      renewal.authorityNumber,
      renewal.trustVersion,
    ],
  )
  return rowCount === 1
}
