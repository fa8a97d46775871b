import { type Db, inBatches } from '@muster/postgres'
import { CREATABLE_FOR } from '../nodes/store/joining.ts'
import { BAN_COLUMNS, type BanRow, IS_BANNED, isBanned, type StoredBan, withBan } from '../bans/stored-ban.ts'
import type { GrantedCertificate } from '../trust/granted-trust.ts'

/** An instance of a bot, as stored. */
export interface StoredBot {
  id: string
  name: string
  generation: number
  hostname: string
  remoteAddress: string
  tokenId: string
  joinedAt: Date
  renewedAt: Date | undefined
  certificateExpiresAt: Date
  lockedAt: Date | undefined
  lockedFrom: string
  /** Undefined unless it is banned now. */
  ban: StoredBan | undefined
}

/** An instance of a bot as it joins. */
export interface JoiningBot {
  id: string
  name: string
  hostname: string
  remoteAddress: string
  tokenId: string
  keyFingerprint: Buffer
  /** When the key spent the token for the first time; undefined if an older token-service does not say. */
  spentAt: Date | undefined
}

/**
 * Whether a key cannot join any more: it belongs to an instance that renewed to another key, is locked, was removed, or
 * joined by another token than the claimed one.
 */
export async function isKeyTaken(db: Db, keyFingerprint: Buffer, claimedTokenId: string | undefined): Promise<boolean> {
  const { rowCount } = await db.query(
    `select from bot_keys
       join bots on bots.id = bot_keys.bot_id
      where bot_keys.key_fingerprint = $1
        and (bots.generation > 1
             or bots.locked_at is not null
             or bots.removed_at is not null
             or bots.token_id <> $2)`,
    [keyFingerprint, claimedTokenId ?? null],
  )
  return rowCount !== 0
}

/**
 * Records a bot that is joining, with its first key. May be repeated with the same id and key until the bot renews.
 * @returns false if the key belongs to another instance, or if this instance has renewed, is locked or was removed
 */
export async function recordJoiningBot(db: Db, bot: JoiningBot): Promise<boolean> {
  const { rowCount } = await db.query(
    `with joining as (
       insert into bots (id, name, hostname, remote_address, token_id)
       select $1::uuid, $2, $3, $4, $5
        where coalesce($7::timestamptz, now()) > now() - ${CREATABLE_FOR}
           or exists (select from bots where id = $1 and removed_at is null)
       on conflict on constraint bots_pkey do update
         set hostname = excluded.hostname,
             remote_address = excluded.remote_address
         where bots.generation = 1
           and bots.locked_at is null
           and bots.removed_at is null
           and not ${isBanned('bots')}
       returning id)
     insert into bot_keys (key_fingerprint, bot_id, generation)
     select $6, id, 1
       from joining
     on conflict on constraint bot_keys_pkey do update
       set bot_id = bot_keys.bot_id
       where bot_keys.bot_id = excluded.bot_id`,
    [bot.id, bot.name, bot.hostname, bot.remoteAddress, bot.tokenId, bot.keyFingerprint, bot.spentAt ?? null],
  )
  return rowCount === 1
}

/**
 * Stores the first certificate of a bot, with the audit event in the same statement. Safe to repeat.
 * @returns false if the bot has renewed, was locked or was removed meanwhile
 */
export async function activateBot(
  db: Db,
  id: string,
  { serial, expiresAt, authorityNumber, trustVersion }: GrantedCertificate,
): Promise<boolean> {
  const { rowCount } = await db.query(
    `with active as (
       update bots
          set joined_at = coalesce(joined_at, date_trunc('milliseconds', now())),
              certificate_issued_at = now(),
              certificate_expires_at = $3,
              certificate_authority = $4,
              trust_version = $5
        where id = $1
          and generation = 1
          and locked_at is null
          and removed_at is null
          and not ${IS_BANNED}
       returning id, name, hostname, remote_address, token_id)
     select record_audit(
              action => 'bot.join', actor => 'anonymous', remote_address => remote_address, token_id => token_id,
              node_id => id, details => jsonb_build_object('name', name, 'hostname', hostname, 'serial', $2::text))
       from active`,
    [id, serial, expiresAt, authorityNumber, trustVersion],
  )
  return rowCount === 1
}

const COLUMNS = `
  id, name, generation, hostname, remote_address as "remoteAddress", token_id as "tokenId", joined_at as "joinedAt",
  renewed_at as "renewedAt", certificate_expires_at as "certificateExpiresAt", locked_at as "lockedAt",
  coalesce(locked_from, '') as "lockedFrom", ${BAN_COLUMNS}`

/** Which bots to list, and where the page starts. */
export interface BotPage {
  size: number
  after: { name: string; id: string } | undefined
  /** Only bots that joined by this token. */
  tokenId: string | undefined
}

/** A page of the instances of bots by name, then id. */
export async function selectBots(db: Db, { size, after, tokenId }: BotPage): Promise<StoredBot[]> {
  const { rows } = await db.query<Row>(
    `select ${COLUMNS}
       from bots
      where joined_at is not null
        and (name, id) > ($1, $2)
        ${tokenId === undefined ? '' : 'and token_id = $4'}
      order by name, id
      limit $3`,
    [
      after?.name ?? '',
      after?.id ?? '00000000-0000-0000-0000-000000000000',
      size,
      ...(tokenId === undefined ? [] : [tokenId]),
    ],
  )
  return rows.map(toStoredBot)
}

/** The instance with this id; undefined if there is none. */
export async function selectBot(db: Db, id: string): Promise<StoredBot | undefined> {
  const { rows } = await db.query<Row>(`select ${COLUMNS} from bots where id = $1 and joined_at is not null`, [id])
  return rows.map(toStoredBot)[0]
}

/**
 * Removes an instance, with the audit event in the same statement. Its keys stay on record and cannot renew.
 * @returns the instance as it was, or undefined if there is none
 */
export async function endBot(
  db: Db,
  { id, actor, remoteAddress }: { id: string; actor: string; remoteAddress: string },
): Promise<StoredBot | undefined> {
  const { rows } = await db.query<Row>(
    `with known as (
       select id, name, generation, hostname, remote_address, token_id, joined_at, renewed_at, certificate_expires_at, locked_at,
              locked_from, banned_at, banned_until, banned_by, ban_reason
         from bots
        where id = $1
          and joined_at is not null
          for update),
     removed as (
       update bots
          set joined_at = null,
              removed_at = now()
         from known
        where bots.id = known.id
       returning bots.id)
     select ${COLUMNS}
       from known
       join removed using (id)
      cross join lateral record_audit(
              action => 'bot.remove', actor => $2, remote_address => $3, token_id => token_id, node_id => id,
              details => jsonb_build_object('name', name, 'hostname', hostname, 'generation', generation))`,
    [id, actor, remoteAddress],
  )
  return rows.map(toStoredBot)[0]
}

/**
 * Deletes bots whose last certificate expired 30 days ago, joins that started over a day ago and never finished, and bots
 * that were removed over a day ago: a spend of that age creates no row (CREATABLE_FOR). Also deletes earlier keys
 * when no certificate for them can be valid any more. The audit keeps its events. Works in batches.
 */
export async function purgeBots(db: Db, signal: AbortSignal): Promise<void> {
  await inBatches(db, { text: PURGE_BOTS }, signal)
  await inBatches(db, { text: PURGE_KEYS }, signal)
}

const PURGE_BOTS = `
  delete from bots
   where ctid = any (array(
     select ctid
       from bots
      where coalesce(
              removed_at + interval '1 day',
              certificate_expires_at + interval '30 days',
              created_at + interval '1 day') < now()
        and not ${IS_BANNED}
      limit $1
        for update skip locked))`

const PURGE_KEYS = `
  delete from bot_keys
   where ctid = any (array(
     select bot_keys.ctid
       from bot_keys
       join bots on bots.id = bot_keys.bot_id
      where bot_keys.generation < bots.generation - 1
        and bot_keys.recorded_at < now() - interval '30 days'
      limit $1
        for update of bot_keys skip locked))`

type Row = Omit<StoredBot, 'renewedAt' | 'lockedAt' | 'ban'> &
  BanRow & { renewedAt: Date | null; lockedAt: Date | null }

function toStoredBot(row: Row): StoredBot {
  return { ...withBan(row), renewedAt: row.renewedAt ?? undefined, lockedAt: row.lockedAt ?? undefined }
}
