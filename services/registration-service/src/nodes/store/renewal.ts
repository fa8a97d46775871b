import type { NodeRole } from '@muster/domain'
import type { Db } from '@muster/postgres'

/** Whether a node may renew: `superseded` if it shows neither its last certificate nor the one before. */
export type RenewalCheck = 'allowed' | 'unknown' | 'superseded' | 'too-soon'

/**
 * Checks whether a node may renew with the certificate that it shows: its last one or the one before, for the key of its
 * join, and not in the first twentieth of the last one's life. @returns the check, and the roles of the node's join
 */
export async function checkRenewal(
  db: Db,
  id: string,
  shownSerial: string,
  keyFingerprint: Buffer,
): Promise<{ check: RenewalCheck; roles: NodeRole[] }> {
  const { rows } = await db.query(
    `select roles,
            $2 in (certificate_serial, previous_serial) and key_fingerprint = $3 as genuine,
            now() < certificate_issued_at + (certificate_expires_at - certificate_issued_at) / 20 as "tooSoon"
       from nodes
      where id = $1
        and joined_at is not null`,
    [id, shownSerial, keyFingerprint],
  )
  const row = rows[0] as { roles: NodeRole[]; genuine: boolean; tooSoon: boolean } | undefined
  if (row === undefined) return { check: 'unknown', roles: [] }
  const check = !row.genuine ? 'superseded' : row.tooSoon ? 'too-soon' : 'allowed'
  return { check, roles: row.roles }
}

/** Stores a renewal on the same condition, with its audit event in the same statement. @returns false if it no longer holds */
export async function recordRenewal(
  db: Db,
  renewal: { id: string; actor: string; remoteAddress: string; shownSerial: string; serial: string; expiresAt: Date },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `with renewed as (
       update nodes
          set previous_serial = $2,
              certificate_serial = $3,
              certificate_issued_at = now(),
              certificate_expires_at = $4
        where id = $1
          and joined_at is not null
          and $2 in (certificate_serial, previous_serial)
       returning id)
     select record_audit(
              action => 'node.renew', actor => $5, remote_address => $6, node_id => id,
              details => jsonb_build_object('serial', $3::text))
       from renewed`,
    [renewal.id, renewal.shownSerial, renewal.serial, renewal.expiresAt, renewal.actor, renewal.remoteAddress],
  )
  return rowCount === 1
}
