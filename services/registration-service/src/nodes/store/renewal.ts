import type { NodeRole } from '@muster/domain'
import type { Db } from '@muster/postgres'
import { BAN_COLUMNS, type BanRow, banOf, IS_BANNED, type StoredBan } from '../../bans/stored-ban.ts'
import { isOlder, JUST_IN_USE } from '../../clones/shown-serial.ts'
import type { GrantedCertificate, GrantedTrust } from '../../trust/granted-trust.ts'

/** The certificate that a node shows. */
export interface ShownCertificate {
  /** The node's id. */
  id: string
  serial: string
  keyFingerprint: Buffer
}

/** What the roll says of a node and of the certificate that it shows. */
export type Assessment =
  | { standing: 'unknown' | 'other-key' }
  | { standing: 'banned'; ban: StoredBan }
  | {
      standing: 'known'
      /** Of the node's join. */
      roles: NodeRole[]
      /** The serial of its last certificate. */
      lastSerial: string
      /** It has shown a newer certificate since: this one is a copy. */
      isOlder: boolean
      /** It is older, but may have been under way while the newer one was first shown. */
      isOvertaken: boolean
      /** The node counts as cloned. */
      isCloned: boolean
      /** In the first twentieth of the life of the last certificate. */
      isTooSoon: boolean
    }

/**
 * Looks up a node and the certificate that it shows. During a rotation a node that lacks the certificate or the bundle of
 * the phase may renew at any time.
 */
export async function assess(
  db: Db,
  { id, serial, keyFingerprint }: ShownCertificate,
  wanted?: GrantedTrust,
): Promise<Assessment> {
  const { rows } = await db.query<
    BanRow & {
      roles: NodeRole[]
      lastSerial: string
      isOlder: boolean
      isJustInUse: boolean
      isCloned: boolean
      isTooSoon: boolean
      hasKey: boolean
    }
  >(
    `select roles, certificate_serial as "lastSerial", ${isOlder('$2')} as "isOlder",
            ${JUST_IN_USE} as "isJustInUse", cloned_at is not null as "isCloned",
            now() < certificate_issued_at + (certificate_expires_at - certificate_issued_at) / 20
              and ($4::int is null
                   or certificate_serial = $2 and certificate_authority = $4 and trust_version >= $5) as "isTooSoon",
            key_fingerprint = $3 as "hasKey", ${BAN_COLUMNS}
       from nodes
      where id = $1
        and joined_at is not null`,
    [id, serial, keyFingerprint, wanted?.authorityNumber ?? null, wanted?.trustVersion ?? null],
  )
  const [row] = rows
  if (row === undefined) return { standing: 'unknown' }
  const ban = banOf(row)
  if (ban !== undefined) return { standing: 'banned', ban }
  if (!row.hasKey) return { standing: 'other-key' }
  const { roles, lastSerial, isCloned, isTooSoon } = row
  const isOvertaken = row.isOlder && row.isJustInUse
  return { standing: 'known', roles, lastSerial, isOlder: row.isOlder, isOvertaken, isCloned, isTooSoon }
}

/** A renewal to store. */
export interface StoredRenewal extends GrantedCertificate {
  id: string
  actor: string
  remoteAddress: string
  /** The certificate that the node showed. */
  shownSerial: string
  shownExpiresAt: Date
  /** The last certificate as it was when the node was assessed. */
  lastSerial: string
  /** The action in the audit; a renewal by default. */
  action?: 'node.renew' | 'node.recover'
}

/**
 * Stores a renewal if the node is as it was assessed, with its audit event in the same statement. Of any number of renewals
 * at once, one is stored. @returns false if the node was removed or banned, or got another certificate meanwhile
 */
export async function recordRenewal(db: Db, renewal: StoredRenewal): Promise<boolean> {
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
          and certificate_serial = $9
       returning id),
     recorded as (
       insert into node_serials (node_id, serial, expires_at)
       select id, serial, expires_at
         from renewed
        cross join unnest(array[$2, $3], array[$10::timestamptz, $4::timestamptz]) as shown (serial, expires_at)
       on conflict on constraint node_serials_pkey do nothing)
     select record_audit(
              action => $11, actor => $5, remote_address => $6, node_id => id,
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
      renewal.lastSerial,
      renewal.shownExpiresAt,
      renewal.action ?? 'node.renew',
    ],
  )
  return rowCount === 1
}
