import type { Db } from '@muster/postgres'
import { IS_BANNED } from '../bans/stored-ban.ts'

/** The authority and the bundle that members must have for a phase to be confirmed. */
export interface WantedPhase {
  trustVersion: number
  /** The host authority that signs for nodes and bots. */
  nodeAuthority: number
  /** The user authority. */
  userAuthority: number
}

/** A kind of member that has rows here. */
export type RolledKind = 'node' | 'bot' | 'user'

/** How many members with a valid certificate have confirmed a phase, and how many have not. */
export interface Confirmations {
  confirmed: number
  waiting: number
}

/** A member that has not confirmed a phase. */
export interface Unconfirmed {
  kind: RolledKind
  /** Of a node or a bot; a person's name. */
  id: string
  /** The host name of a node; the name of a bot or a person. */
  name: string
  lastSeenAt: Date | null
  /** The member stops counting then, if it does not renew. */
  certificateExpiresAt: Date
  hasBundle: boolean
  hasCertificate: boolean
}

/** What each kind must show; $1 is the version of the bundle, $2 the authority. People need no bundle: they learn it when they call. */
const SOURCES: Record<RolledKind, { from: string; id: string; name: string; bundle: string; certificate: string }> = {
  node: {
    from: `nodes where joined_at is not null and certificate_expires_at > now() and not ${IS_BANNED}`,
    id: 'id::text',
    name: 'hostname',
    bundle: 'confirmed_trust_version >= $1',
    certificate: 'coalesce(confirmed_serial = certificate_serial, false) and certificate_authority = $2',
  },
  bot: {
    from: `bots where joined_at is not null and locked_at is null and certificate_expires_at > now() and not ${IS_BANNED}`,
    id: 'id::text',
    name: 'name',
    bundle: 'trust_version >= $1',
    certificate: 'certificate_authority = $2',
  },
  user: {
    from: `users where key_fingerprint is not null and certificate_expires_at > now() and not ${IS_BANNED}`,
    id: 'name',
    name: 'name',
    bundle: '$1::int >= 0',
    certificate: 'certificate_authority = $2',
  },
}

const SEEN: Record<RolledKind, string> = { node: 'last_seen_at', bot: 'certificate_issued_at', user: 'last_seen_at' }

function valuesFor(kind: RolledKind, wanted: WantedPhase): [number, number] {
  return [wanted.trustVersion, kind === 'user' ? wanted.userAuthority : wanted.nodeAuthority]
}

/** Counts the members of a kind whose certificate is valid: one without could do nothing anyway. */
export async function selectConfirmations(db: Db, kind: RolledKind, wanted: WantedPhase): Promise<Confirmations> {
  const { from, bundle, certificate } = SOURCES[kind]
  const { rows } = await db.query<Confirmations>(
    `select count(*) filter (where ${bundle} and ${certificate})::int as confirmed,
            count(*) filter (where not (${bundle} and ${certificate}))::int as waiting
       from ${from}`,
    valuesFor(kind, wanted),
  )
  return rows[0]!
}

/** Members of a kind that have not confirmed, those whose certificate lasts longest first. */
export async function selectUnconfirmed(
  db: Db,
  kind: RolledKind,
  wanted: WantedPhase,
  limit: number,
): Promise<Unconfirmed[]> {
  const { from, id, name, bundle, certificate } = SOURCES[kind]
  const { rows } = await db.query<Omit<Unconfirmed, 'kind'>>(
    `select ${id} as id, ${name} as name, ${SEEN[kind]} as "lastSeenAt", certificate_expires_at as "certificateExpiresAt",
            ${bundle} as "hasBundle", ${certificate} as "hasCertificate"
       from ${from}
        and not (${bundle} and ${certificate})
      order by certificate_expires_at desc, 1
      limit $3`,
    [...valuesFor(kind, wanted), limit],
  )
  return rows.map((row) => ({ kind, ...row }))
}
