import { recordAudit } from '@muster/audit'
import { type Db, transaction } from '@muster/postgres'
import type pg from 'pg'
import { BAN_COLUMNS, type BanRow, banOf, IS_BANNED, type StoredBan } from '../bans/stored-ban.ts'
import type { GrantedCertificate } from '../trust/granted-trust.ts'

/** A bot's request to renew. */
export interface StepRequest {
  /** The bot's name, as its certificate says. */
  name: string
  /** Fingerprint of the key that the bot shows. */
  shownKey: Buffer
  /** Fingerprint of the key that it wants to use next. */
  nextKey: Buffer
  /** SPIFFE id. */
  actor: string
  remoteAddress: string
}

/** The outcome of a renewal, with the id of the instance. */
export type Step =
  /** The next key is now the instance's key. */
  | { outcome: 'allowed'; id: string; generation: number }
  /** A copy of the credentials was used: the instance is now locked. */
  | { outcome: 'copied'; id: string }
  | { outcome: 'locked' | 'too-soon' | 'key-used'; id: string }
  | { outcome: 'banned'; id: string; ban: StoredBan }
  | { outcome: 'unknown' }

/**
 * Moves a bot to its next generation: from the key that it shows to the next one. The transaction locks the row of the
 * instance, so only one of any number of callers succeeds. The key before the current one may ask again for the current one,
 * as after a lost reply. Any other use of an older key means that the credentials were copied. Nothing tells the copy from
 * the original, so the instance is locked.
 */
export function takeStep(pool: pg.Pool, request: StepRequest): Promise<Step> {
  return transaction(pool, async (db) => {
    const instance = await holdInstance(db, request.shownKey)
    if (instance === undefined || instance.name !== request.name) return { outcome: 'unknown' }
    const { id, shown, generation } = instance
    const ban = banOf(instance)
    if (ban !== undefined) return { outcome: 'banned', id, ban }
    if (instance.locked) return { outcome: 'locked', id }
    if (shown === generation) {
      if (instance.tooSoon) return { outcome: 'too-soon', id }
      const isNew = await goOn(db, id, generation + 1, request)
      return isNew ? { outcome: 'allowed', id, generation: generation + 1 } : { outcome: 'key-used', id }
    }
    if (shown === generation - 1 && (await hasKey(db, id, generation, request.nextKey))) {
      return { outcome: 'allowed', id, generation }
    }
    await lock(db, instance, request)
    return { outcome: 'copied', id }
  })
}

interface Instance extends BanRow {
  id: string
  name: string
  tokenId: string
  generation: number
  /** The generation of the key that was shown. */
  shown: number
  locked: boolean
  tooSoon: boolean
}

async function holdInstance(db: Db, shownKey: Buffer): Promise<Instance | undefined> {
  const { rows } = await db.query<Instance>(
    `select bots.id, bots.name, bots.token_id as "tokenId", bots.generation, bot_keys.generation as shown,
            bots.locked_at is not null as locked,
            now() < certificate_issued_at
              + least((certificate_expires_at - certificate_issued_at) / 20, interval '30 seconds') as "tooSoon",
            ${BAN_COLUMNS}
       from bot_keys
       join bots on bots.id = bot_keys.bot_id
      where bot_keys.key_fingerprint = $1
        and bots.joined_at is not null
        for update of bots`,
    [shownKey],
  )
  return rows[0]
}

/** Writes the audit event in the same statement. @returns false if the next key is already on record */
async function goOn(
  db: Db,
  id: string,
  generation: number,
  { nextKey, actor, remoteAddress }: StepRequest,
): Promise<boolean> {
  const { rowCount } = await db.query(
    `with next as (
       insert into bot_keys (key_fingerprint, bot_id, generation)
       values ($3, $1, $2)
       on conflict on constraint bot_keys_pkey do nothing
       returning bot_id),
     gone_on as (
       update bots
          set generation = $2,
              renewed_at = now()
         from next
        where bots.id = next.bot_id
       returning bots.id, bots.name, bots.token_id)
     select record_audit(
              action => 'bot.renew', actor => $4, remote_address => $5, token_id => token_id, node_id => id,
              details => jsonb_build_object('name', name, 'generation', $2::int))
       from gone_on`,
    [id, generation, nextKey, actor, remoteAddress],
  )
  return rowCount === 1
}

async function hasKey(db: Db, id: string, generation: number, key: Buffer): Promise<boolean> {
  const { rowCount } = await db.query(
    `select from bot_keys
      where bot_id = $1
        and generation = $2
        and key_fingerprint = $3`,
    [id, generation, key],
  )
  return rowCount === 1
}

async function lock(db: Db, { id, name, tokenId, shown, generation }: Instance, request: StepRequest): Promise<void> {
  const { actor, remoteAddress } = request
  await db.query(
    `update bots
        set locked_at = now(),
            locked_from = $2
      where id = $1`,
    [id, remoteAddress],
  )
  await recordAudit(db, {
    action: 'bot.lock',
    actor,
    remoteAddress,
    outcome: 'refused',
    reason: 'BOT_LOCKED',
    tokenId,
    nodeId: id,
    details: { name, shownGeneration: shown, generation },
  })
}

/** The certificate of a bot's renewal. */
export interface BotCertificate extends GrantedCertificate {
  id: string
  remoteAddress: string
}

/** Stores the certificate for a bot's current key, unless the instance was locked, removed or banned meanwhile. */
export async function recordBotCertificate(
  db: Db,
  { id, remoteAddress, expiresAt, authorityNumber, trustVersion }: BotCertificate,
): Promise<{ outcome: 'noted' | 'locked' | 'unknown' } | { outcome: 'banned'; ban: StoredBan }> {
  const { rowCount } = await db.query(
    `update bots
        set remote_address = $2,
            certificate_issued_at = now(),
            certificate_expires_at = $3,
            certificate_authority = $4,
            trust_version = $5
      where id = $1
        and joined_at is not null
        and locked_at is null
        and not ${IS_BANNED}`,
    [id, remoteAddress, expiresAt, authorityNumber, trustVersion],
  )
  if (rowCount === 1) return { outcome: 'noted' }
  const { rows } = await db.query<BanRow>(`select ${BAN_COLUMNS} from bots where id = $1 and joined_at is not null`, [
    id,
  ])
  if (rows[0] === undefined) return { outcome: 'unknown' }
  const ban = banOf(rows[0])
  return ban === undefined ? { outcome: 'locked' } : { outcome: 'banned', ban }
}
