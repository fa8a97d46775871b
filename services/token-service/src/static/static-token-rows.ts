import { newTokenId, type NodeRole } from '@muster/domain'
import type { Db } from '@muster/postgres'

/** A static token as stored, without its value. */
export interface StaticTokenRow {
  digest: Buffer
  roles: readonly NodeRole[]
  /** File and line. */
  definedAt: string
}

/**
 * Inserts or updates the row of a static token. The row does not say whether the token is live: each replica decides that by
 * its own configuration.
 * @returns its id and whether it is new; undefined if a token of another type has the value
 */
export async function storeStaticToken(
  db: Db,
  { digest, roles, definedAt }: StaticTokenRow,
): Promise<{ id: string; isNew: boolean } | undefined> {
  const candidate = newTokenId()
  const { rows } = await db.query<{ id: string }>(
    `insert into tokens (id, digest, type, roles, labels, description, created_by, expires_at, configured_at)
     values ($1, $2, 'static', $3, '{}', '', $4, 'infinity', now())
     on conflict on constraint tokens_digest
       do update set roles = excluded.roles, created_by = excluded.created_by, configured_at = now()
       where tokens.type = 'static'
     returning id`,
    [candidate, digest, roles, definedAt],
  )
  return rows[0] && { id: rows[0].id, isNew: rows[0].id === candidate }
}
