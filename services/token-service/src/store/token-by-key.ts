import { type AppError, isTokenId, parseTokenName, refusal, tokenDigest } from '@muster/domain'
import type { Db } from '@muster/postgres'
import { COLUMNS, expiryAfter, IS, toStoredToken, type Configured, type StoredToken } from './tokens.ts'

/** How a token can be named: by id, by name, or by the digest of its value. */
export interface TokenKey {
  id?: string
  name?: string
  digest?: Buffer
}

/** Reads an id or a name. Any other text becomes a key that no token has. */
export function tokenKey(text: string): TokenKey {
  if (isTokenId(text)) return { id: text }
  try {
    return { name: parseTokenName(text) }
  } catch {
    return {}
  }
}

/** Reads an id, a name, or a whole value. A value that looks like a name is searched for as both. */
export function tokenKeyOrValue(text: string, pepper: Buffer): TokenKey {
  const key = tokenKey(text)
  return key.id === undefined ? { ...key, digest: tokenDigest(pepper, text) } : key
}

// A match by value wins over one by name: a value is a secret, and is not typed by chance.
const HAS_KEY = `id = (
        select id
          from tokens
         where id = $2 or name = $3 or digest = $4
         order by digest = $4 desc nulls last
         limit 1)`

function values(configured: Configured, { id, name, digest }: TokenKey): unknown[] {
  return [configured, id ?? null, name ?? null, digest ?? null]
}

/** The token with that key, whatever its state. */
export async function selectToken(db: Db, configured: Configured, key: TokenKey): Promise<StoredToken | undefined> {
  const { rows } = await db.query(`select ${COLUMNS} from tokens where ${HAS_KEY}`, values(configured, key))
  return rows[0] === undefined ? undefined : toStoredToken(rows[0])
}

/** Revokes the token with that key. @returns undefined if no such token can still be revoked: ended, static, or unknown */
export async function markRevoked(db: Db, configured: Configured, key: TokenKey): Promise<StoredToken | undefined> {
  const { rows } = await db.query(
    `update tokens
        set revoked_at = now()
      where ${HAS_KEY}
        and type <> 'static'
        and revoked_at is null
        and expires_at > now()
     returning ${COLUMNS}`,
    values(configured, key),
  )
  return rows[0] === undefined ? undefined : toStoredToken(rows[0])
}

/** Sets a new expiry, counted from now, for a join token that can still admit someone. @returns undefined for any other */
export async function moveExpiry(
  db: Db,
  configured: Configured,
  key: TokenKey,
  ttlSeconds: number,
): Promise<StoredToken | undefined> {
  const { rows } = await db.query(
    `update tokens
        set expires_at = ${expiryAfter('$5')}
      where ${HAS_KEY}
        and type = 'join'
        and ${IS.live}
     returning ${COLUMNS}`,
    [...values(configured, key), ttlSeconds],
  )
  return rows[0] === undefined ? undefined : toStoredToken(rows[0])
}

/** The error for a key that no token has. It does not repeat the key, which may be a secret. */
export function noSuchToken(): AppError {
  return refusal('TOKEN_NOT_FOUND', 'no such token')
}
