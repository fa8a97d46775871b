import { type AppError, isTokenId, parseTokenName, refusal, tokenDigest } from '@muster/domain'
import type { Db } from '@muster/postgres'
import { COLUMNS, expiryAfter, IS, toStoredToken, type Configured, type StoredToken } from './tokens.ts'

/** What a token may be called by. */
export interface TokenKey {
  id?: string
  name?: string
  digest?: Buffer
}

/** Reads an id or a name. What is neither is a key that no token has. */
export function tokenKey(text: string): TokenKey {
  if (isTokenId(text)) return { id: text }
  try {
    return { name: parseTokenName(text) }
  } catch {
    return {}
  }
}

/** Reads an id, a name, or a whole value. A value that looks like a name is looked for as both. */
export function tokenKeyOrValue(text: string, pepper: Buffer): TokenKey {
  const key = tokenKey(text)
  return key.id === undefined ? { ...key, digest: tokenDigest(pepper, text) } : key
}

// A value is a secret and cannot be meant for a name, so it goes first.
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

/** Revokes the token with that key. Undefined if there is none that has not ended by then, or if it is static. */
export async function revokeToken(db: Db, configured: Configured, key: TokenKey): Promise<StoredToken | undefined> {
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

/** Moves the expiry of a join token that can still admit someone to so long from now. Undefined if there is none. */
export async function extendToken(
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

/** No token has the key. It does not repeat the key, which may be a secret. */
export function noSuchToken(): AppError {
  return refusal('TOKEN_NOT_FOUND', 'no such token')
}
