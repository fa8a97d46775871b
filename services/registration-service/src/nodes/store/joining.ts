import type { Labels, NodeRole } from '@muster/domain'
import type { Db } from '@muster/postgres'
import { IS_BANNED, isBanned } from '../../bans/stored-ban.ts'
import type { GrantedCertificate } from '../../trust/granted-trust.ts'

/** A node that is joining. */
export interface JoiningNode {
  id: string
  hostname: string
  roles: readonly NodeRole[]
  labels: Labels
  version: string
  advertisedAddress: string
  remoteAddress: string
  tokenId: string
  keyFingerprint: Buffer
  /** Labels that the token forces on the node. They override the node's own, now and at each hello. */
  nodeLabels: Labels
  /** Patterns of the host names that the token allows, now and at each hello; empty for any. */
  allowHostnames: readonly string[]
  /** When the key spent the token for the first time; undefined if an older token-service does not say. */
  spentAt: Date | undefined
}

/**
 * A spend that is older than this cannot create a row: there was one, and it is gone because the node was removed, or never
 * finished its join. Purges keep such rows for twice as long.
 */
export const CREATABLE_FOR = "interval '12 hours'"

/**
 * Records a node that is joining. A repeat with the same id updates the row. The id comes from the token's spend, so the
 * same id means the same key.
 * @returns false if the node was removed, however long ago, or is banned: its key may repeat the spend but not the join
 */
export async function recordJoiningNode(db: Db, node: JoiningNode): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'record-joining-node',
    text: `
      insert into nodes
        (id, hostname, roles, labels, node_labels, version, advertised_address, remote_address, token_id,
         key_fingerprint, allow_hostnames)
      select $1::uuid, $2, $3::text[], $4::jsonb || $5::jsonb, $5, $6, $7, $8, $9, $10::bytea, $11::text[]
       where coalesce($12::timestamptz, now()) > now() - ${CREATABLE_FOR}
          or exists (select from nodes where id = $1 and removed_at is null)
      on conflict on constraint nodes_pkey do update
        set hostname = excluded.hostname,
            roles = excluded.roles,
            labels = excluded.labels,
            node_labels = excluded.node_labels,
            allow_hostnames = excluded.allow_hostnames,
            version = excluded.version,
            advertised_address = excluded.advertised_address,
            remote_address = excluded.remote_address
        where nodes.removed_at is null
          and not ${isBanned('nodes')}`,
    values: [
      node.id,
      node.hostname,
      node.roles,
      node.labels,
      node.nodeLabels,
      node.version,
      node.advertisedAddress,
      node.remoteAddress,
      node.tokenId,
      node.keyFingerprint,
      node.allowHostnames,
      node.spentAt ?? null,
    ],
  })
  return rowCount === 1
}

/**
 * Puts a joining node on the roll with the certificate that it is about to get, and writes the audit event, in one
 * statement. A repeat stores the newer certificate.
 * @returns false if the node was removed or banned meanwhile
 */
export async function activateNode(
  db: Db,
  id: string,
  { serial, expiresAt, authorityNumber, trustVersion }: GrantedCertificate,
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'activate-node',
    text: `
      with active as (
        update nodes
           set joined_at = coalesce(joined_at, date_trunc('milliseconds', now())),
               previous_serial = certificate_serial,
               certificate_serial = $2,
               certificate_issued_at = now(),
               certificate_expires_at = $3,
               certificate_authority = $4,
               trust_version = $5
         where id = $1
           and removed_at is null
           and not ${IS_BANNED}
        returning id, token_id, remote_address, hostname, roles),
     recorded as (
       insert into node_serials (node_id, serial, expires_at)
       select id, $2, $3
         from active
       on conflict on constraint node_serials_pkey do nothing)
      select record_audit(
               action => 'node.join', actor => 'anonymous', remote_address => remote_address, token_id => token_id,
               node_id => id, details => jsonb_build_object('hostname', hostname, 'roles', roles, 'serial', $2::text))
        from active`,
    values: [id, serial, expiresAt, authorityNumber, trustVersion],
  })
  return rowCount === 1
}
