import { likeOfGlob } from '@muster/postgres'

/** How long the same key may spend the same token again, and get the same node id: lost replies, crashed agents. */
const RETRY_WINDOW_SECONDS = 30 * 60

/**
 * How often the same key may spend the same token again: this often at once, then once per `REPEAT_COSTS_SECONDS`. Each
 * repeat gives a certificate. An agent that cannot finish its join retries about twenty times in a minute.
 */
export const REPEATS_AT_ONCE = 30
/** What a repeat costs. */
export const REPEAT_COSTS_SECONDS = 10

const IN_RETRY_WINDOW = `spent_at > now() - make_interval(secs => ${RETRY_WINDOW_SECONDS})`
const WITHIN_RATE = `coalesce(spends.repeats_paid_until, now())
             <= now() + make_interval(secs => ${(REPEATS_AT_ONCE - 1) * REPEAT_COSTS_SECONDS})`
const PAID_UNTIL = `greatest(spends.repeats_paid_until, now()) + make_interval(secs => ${REPEAT_COSTS_SECONDS})`

const LIKE_PATTERN = likeOfGlob('glob')

/**
 * `recordSpend` runs this. One statement, so that no two callers can both see the last use (Tailscale TS-2025-007, SPIRE 1.14.6 and headscale all
 * checked first and consumed later).
 *  found    finds the token and checks this newcomer against it; token sums that up. Only a signup has a person's name.
 *  spent    records the key under the token, if the token may be spent by a new key. A key that has a row already
 *           gets its earlier node id, even if the other call committed after this one began.
 *  counted  counts a new spend of a token with a limit. When two keys race for the last use, the second waits here for the
 *           first, then violates tokens_uses_within_max, and its row in spent is rolled back.
 *  repeated finds a key that comes back after the token has expired or is used up, within the retry window.
 *  earlier  is the spend of this key as it was before the statement.
 * spent and repeated charge a key that comes back (generic cell rate algorithm), and skip one that is over its rate. The
 * last part writes a new spend to the audit.
 */
export const SPEND = `
  with found as (
    select id, bot_name, node_labels, allow_hostnames, max_uses, uses,
           (type = 'signup') = ($5::text is not null) as right_type,
           revoked_at is not null or type = 'static' and digest <> all ($8::bytea[]) as revoked,
           expires_at <= now() as expired,
           roles @> $2::text[] as role_allowed,
           case
             when user_name <> $5
               then 'user'
             when allow_cidrs <> '{}' and not $6::inet <<= any (allow_cidrs::inet[])
               then 'allow-cidr'
             when allow_hostnames <> '{}'
                  and not exists (select from unnest(allow_hostnames) as glob where lower($7::text) like ${LIKE_PATTERN})
               then 'allow-hostname'
           end as restriction
      from tokens
     where digest = $1),
  token as (
    select id, bot_name, node_labels, allow_hostnames, max_uses, right_type, revoked, expired, role_allowed, restriction,
           right_type and not revoked and role_allowed and restriction is null as admits,
           expired or max_uses is not null and uses >= max_uses as ended
      from found),
  spent as (
    insert into spends (token_id, key_fingerprint, node_id)
    select id, $3, $4
      from token
     where admits
       and not ended
    on conflict on constraint spends_pkey
      do update set repeats_paid_until = ${PAID_UNTIL}
       where ${WITHIN_RATE}
    returning token_id, node_id),
  repeated as (
    update spends
       set repeats_paid_until = ${PAID_UNTIL}
      from token
     where spends.token_id = token.id
       and spends.key_fingerprint = $3
       and token.admits
       and token.ended
       and spends.${IN_RETRY_WINDOW}
       and ${WITHIN_RATE}
    returning spends.node_id),
  counted as (
    update tokens
       set uses = tokens.uses + 1
      from spent
     where tokens.id = spent.token_id
       and tokens.max_uses is not null
       and spent.node_id = $4)
  select token.id as "tokenId", token.bot_name as "botName", token.node_labels as "nodeLabels",
         token.allow_hostnames as "allowHostnames", coalesce(earlier.spent_at, now()) as "spentAt",
         token.right_type as "rightType", token.revoked, token.expired, token.role_allowed as "roleAllowed",
         token.restriction,
         coalesce(spent.node_id, repeated.node_id) as "nodeId",
         token.admits and (not token.ended or coalesce(earlier.${IN_RETRY_WINDOW}, false)) as "mayRepeat",
         extract(epoch from earlier.repeats_paid_until - now())::float8 as "paidForSeconds",
         case when spent.node_id = $4 then record_audit(
           action => 'token.spend', actor => $9, remote_address => host($6::inet), token_id => spent.token_id,
           node_id => spent.node_id, details => $10::jsonb) end as "eventId"
    from token
    left join spent on spent.token_id = token.id
    left join repeated on true
    left join spends earlier on earlier.token_id = token.id and earlier.key_fingerprint = $3`
