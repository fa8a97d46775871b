import type { Labels } from '@muster/domain'
import { type Db, likeOfGlob } from '@muster/postgres'
import { IS_BANNED } from '../../bans/stored-ban.ts'
import { isOlder } from '../../clones/shown-serial.ts'

/** What a node reports in the hello of its heartbeat. */
export interface HelloFacts {
  id: string
  /** Fingerprint of the key in the stream's certificate. */
  keyFingerprint: Buffer
  hostname: string
  labels: Labels
  version: string
  advertisedAddress: string
  remoteAddress: string
  os: string
  /** Of the certificate that the node presents. */
  serial: string
  /** The bundle that the node uses; undefined from an agent that does not tell. */
  trustVersion: number | undefined
  /** The certificate is on the node's disk: the node will not show an older one again. */
  isStored: boolean
}

/** The authority of the certificate that a node presents; undefined if it presents the one before its last. */
export interface Presented {
  authorityNumber: number | undefined
}

const ALLOWED = `(allow_hostnames = '{}'
               or exists (select from unnest(allow_hostnames) as glob where lower($2) like ${likeOfGlob('glob')}))`

/**
 * Stores what a node reports in its hello. Labels that its token forced on it stay. A host name that its token does not
 * allow is not taken: the node keeps its last one. A last certificate that is on the node's disk is in use from then on.
 * An agent that does not tell its bundle stored the one that came with its last certificate.
 * @returns undefined if no node with that id and key is on the roll, it is banned, or the certificate is older than the last
 * one in use
 */
export async function recordHello(db: Db, hello: HelloFacts): Promise<Presented | undefined> {
  const { rows } = await db.query<{ authorityNumber: number | null }>({
    name: 'record-hello',
    text: `
      update nodes
         set hostname = case when ${ALLOWED} then $2 else hostname end,
             labels = $3::jsonb || node_labels,
             version = $4,
             advertised_address = $5,
             remote_address = $6,
             os = $7,
             first_seen_at = coalesce(first_seen_at, now()),
             last_seen_at = now(),
             confirmed_serial = $9,
             confirmed_trust_version =
               coalesce($10::int, case when certificate_serial = $9 then trust_version else 0 end),
             used_serial = case when $9 = certificate_serial and $11 then $9 else used_serial end,
             used_at = case
               when $9 = certificate_serial and $11 and used_serial is distinct from $9 then now()
               else used_at end
       where id = $1
         and key_fingerprint = $8
         and joined_at is not null
         and not ${IS_BANNED}
         and not ${isOlder('$9')}
      returning case when certificate_serial = $9 then certificate_authority end as "authorityNumber"`,
    values: [
      hello.id,
      hello.hostname,
      hello.labels,
      hello.version,
      hello.advertisedAddress,
      hello.remoteAddress,
      hello.os,
      hello.keyFingerprint,
      hello.serial,
      hello.trustVersion ?? null,
      hello.isStored,
    ],
  })
  return rows[0] && { authorityNumber: rows[0].authorityNumber ?? undefined }
}

/** Stores when nodes were last seen. It never moves a time back, so it may be repeated or late. */
export async function recordLastSeen(db: Db, seen: readonly { id: string; lastSeenAt: Date }[]): Promise<void> {
  await db.query(
    `update nodes
        set last_seen_at = greatest(nodes.last_seen_at, seen.at)
       from unnest($1::uuid[], $2::timestamptz[]) as seen (id, at)
      where nodes.id = seen.id`,
    [seen.map(({ id }) => id), seen.map(({ lastSeenAt }) => lastSeenAt)],
  )
}
