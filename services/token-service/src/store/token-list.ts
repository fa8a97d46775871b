import type { Labels } from '@muster/domain'
import type { Db } from '@muster/postgres'
import {
  COLUMNS,
  IS,
  toStoredToken,
  type Configured,
  type StoredToken,
  type TokenState,
  type TokenType,
} from './tokens.ts'

/** Which tokens; an empty list or no label asks for nothing. */
export interface TokenFilter {
  types: readonly TokenType[]
  /** At least one. */
  states: readonly TokenState[]
  /** Any of these. */
  roles: readonly string[]
  /** All of these. */
  labels: Labels
  /** Only those that have admitted someone. */
  used: boolean
}

/** How many tokens to list, and from where on. */
export interface Page {
  size: number
  /** Where the last page ended; an undefined expiry is never. */
  after: { expiresAt: Date | undefined; id: string } | undefined
}

// found walks tokens_by_expiry from the cursor, or from now on if only tokens are asked for that can still be used or
// are used up, until the page is full. Uses are counted outside of it, so for the tokens of the page and no others. Whether
// a token was used is asked by a subquery with a limit: for exists Postgres would read all spends.
const LIST = `
  with found as materialized (
    select id
      from tokens
     where (expires_at, id) > ($2::timestamptz, $3::text)
       and expires_at > case when $4::text[] && '{expired,revoked}' then '-infinity' else now() end
       and ('live' = any ($4) and ${IS.live}
         or 'usedUp' = any ($4) and ${IS.usedUp}
         or 'expired' = any ($4) and ${IS.expired}
         or 'revoked' = any ($4) and ${IS.revoked})
       and ($5::text[] = '{}' or type = any ($5))
       and ($6::text[] = '{}' or roles && $6)
       and labels @> $7::jsonb
       and (not $8::boolean or uses > 0 or (select true from spends where token_id = tokens.id limit 1))
     order by expires_at, id
     limit $9)
  select ${COLUMNS}
    from tokens
   where id in (select id from found)
   order by expires_at, id`

/** Tokens that the filter lets through, soonest expiry first, then id; those that never expire come last. */
export async function selectTokens(
  db: Db,
  configured: Configured,
  { types, states, roles, labels, used }: TokenFilter,
  { size, after }: Page,
): Promise<StoredToken[]> {
  const expiresAt = after === undefined ? '-infinity' : (after.expiresAt ?? 'infinity')
  const { rows } = await db.query(LIST, [
    configured,
    expiresAt,
    after?.id ?? '',
    states,
    types,
    roles,
    labels,
    used,
    size,
  ])
  return rows.map(toStoredToken)
}
