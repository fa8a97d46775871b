import { type Attempt, recordAudit, recordRefusal } from '@muster/audit'
import type { AppError } from '@muster/domain'
import { type Db, transaction } from '@muster/postgres'
import type { Deps } from '../deps.ts'
import { selectToken, type TokenKey } from '../store/token-by-key.ts'
import type { Configured, StoredToken } from '../store/tokens.ts'

/** A change of the token with a key. */
export interface TokenChange {
  key: TokenKey
  attempt: Attempt
  /** @returns undefined if there is no such token, or if it cannot be changed in this way any more */
  apply: (db: Db, configured: Configured) => Promise<StoredToken | undefined>
  /** The error for a token that was not changed, as it is now. */
  whyNot: (found: StoredToken | undefined) => AppError
}

/** Changes a token, with the audit event in the same transaction. A refusal goes to the audit with the token's id, if found. */
export async function changeToken(
  { pool, refusals, staticTokens }: Deps,
  { key, attempt, apply, whyNot }: TokenChange,
): Promise<StoredToken> {
  const { configured } = staticTokens
  const { changed, found } = await transaction(pool, async (db) => {
    const token = await apply(db, configured)
    if (token === undefined) return { found: await selectToken(db, configured, key) }
    await recordAudit(db, { ...attempt, outcome: 'ok', tokenId: token.id })
    return { changed: token }
  })
  if (changed !== undefined) return changed
  const error = whyNot(found)
  await recordRefusal(refusals, { ...attempt, tokenId: found?.id }, error)
  throw error
}
