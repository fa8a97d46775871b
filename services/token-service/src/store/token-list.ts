import type { Labels } from '@muster/domain'
import type { Db } from '@muster/postgres'
import {
  COLUMNS,
  IS,
  SPENDS_OF_TOKEN,
  toStoredToken,
  type Configured,
  type StoredToken,
  type TokenState,
  type TokenType,
} from './tokens.ts'

/** Which tokens to list. An empty list or no label does not narrow the result. */
export interface TokenFilter {
  types: readonly TokenType[]
  /** At least one. */
  states: readonly TokenState[]
  /** Any of these. */
  roles: readonly string[]
  /** All of these. */
  labels: Labels
  /** Only tokens that have been used. */
  used: boolean
}

/** How many tokens to list, and where the page starts. */
export interface Page {
  size: number
  /** Where the last page ended. An undefined expiry means never. */
  after: { expiresAt: Date | undefined; id: string } | undefined
}

// found walks tokens_by_expiry from the cursor until the page is full; it starts at the current time if the filter asks only
// for states of unexpired tokens. One row comparison says where: of two conditions, Postgres enters the index by one. Uses are
// counted outside of found, and so only for the tokens of the page. A subquery with a limit finds out whether a token was
// used: for exists, Postgres would read all spends.
const LIST = `
  with found as materialized (
    select id
      from tokens
     where (expires_at, id) > (
             greatest($2::timestamptz, case when $4::text[] && '{expired,revoked}' then '-infinity' else now() end),
             $3::text)
       and ('live' = any ($4) and ${IS.live}
         or 'usedUp' = any ($4) and ${IS.usedUp}
         or 'expired' = any ($4) and ${IS.expired}
         or 'revoked' = any ($4) and ${IS.revoked})
       and ($5::text[] = '{}' or type = any ($5))
       and ($6::text[] = '{}' or roles && $6)
       and labels @> $7::jsonb
       and (not $8::boolean or uses > 0 or (select true from spends where ${SPENDS_OF_TOKEN} limit 1))
     order by expires_at, id
     limit $9)
  select ${COLUMNS}
    from tokens
   where id in (select id from found)
   order by expires_at, id`

/** The tokens that match the filter by expiry, soonest first, then by id. Tokens that never expire come last. */
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
