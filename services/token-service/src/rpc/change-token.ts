import { type Attempt, recordAudit, recordRefused } from '@muster/audit'
import type { AppError } from '@muster/domain'
import { type Db, transaction } from '@muster/postgres'
import type { Deps } from '../deps.ts'
import { selectToken, type TokenKey } from '../store/token-by-key.ts'
import type { Configured, StoredToken } from '../store/tokens.ts'

/** What is to become of the token with a key. */
export interface TokenChange {
  key: TokenKey
  attempt: Attempt
  /** @returns undefined if there is no such token, or none that can be changed so any more */
  apply: (db: Db, configured: Configured) => Promise<StoredToken | undefined>
  /** The error for a token that was not changed, as it is now. */
  whyNot: (found: StoredToken | undefined) => AppError
}

/** Changes a token, with the audit event in the same transaction. A refusal is on record, by the token's id if it is there. */
export function changeToken(
  { pool, refusals, staticTokens }: Deps,
  { key, attempt, apply, whyNot }: TokenChange,
): Promise<StoredToken> {
  const { configured } = staticTokens
  const tried = { ...attempt }
  return recordRefused(refusals, tried, () =>
    transaction(pool, async (db) => {
      const changed = await apply(db, configured)
      const found = changed ?? (await selectToken(db, configured, key))
      tried.tokenId = found?.id
      if (changed === undefined) throw whyNot(found)
      await recordAudit(db, { ...tried, outcome: 'ok' })
      return changed
    }),
  )
}
