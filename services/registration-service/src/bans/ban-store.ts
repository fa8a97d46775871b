import type { Db } from '@muster/postgres'
import { IS_BANNED } from './stored-ban.ts'

/** The members that can be banned. */
export type Subject = 'node' | 'bot' | 'user'

/** Who bans or lets in again, and whom. */
export interface BanChange {
  /** The id of a node or a bot, the name of a person. */
  id: string
  /** SPIFFE id of the operator. */
  actor: string
  remoteAddress: string
}

/** A ban to place. */
export interface NewBan extends BanChange {
  /** 0: until it is lifted. */
  durationSeconds: number
  reason: string
}

const MEMBER = {
  row: 'id = $1 and joined_at is not null',
  audit: 'token_id => token_id, node_id => id',
}

/** For each subject: its table, the row that $1 names, its columns and fields in the audit, and the actions. */
const SUBJECTS = {
  node: {
    ...MEMBER,
    table: 'nodes',
    names: 'id, token_id, hostname',
    details: `'hostname', hostname`,
    ban: 'node.ban',
    unban: 'node.unban',
  },
  bot: {
    ...MEMBER,
    table: 'bots',
    names: 'id, token_id, name, hostname',
    details: `'name', name, 'hostname', hostname`,
    ban: 'bot.ban',
    unban: 'bot.unban',
  },
  user: {
    row: 'name = $1',
    audit: 'token_id => null',
    table: 'users',
    names: 'name, roles',
    details: `'user', name, 'roles', roles`,
    ban: 'user.lock',
    unban: 'user.unlock',
  },
} as const satisfies Record<Subject, object>

/** The audit's action of a ban of this subject. */
export function banAction(subject: Subject): string {
  return SUBJECTS[subject].ban
}

/** The audit's action of the end of a ban of this subject. */
export function unbanAction(subject: Subject): string {
  return SUBJECTS[subject].unban
}

/**
 * Bans a member, in place of the ban that it has, with the audit event in the same statement.
 * @param onlyIf a further condition on the row, in SQL
 * @returns false if there is no such member, or the condition does not hold
 */
export async function placeBan(db: Db, subject: Subject, ban: NewBan, onlyIf = 'true'): Promise<boolean> {
  const { table, names, row, audit, details, ban: action } = SUBJECTS[subject]
  const { rowCount } = await db.query(
    `with banned as (
       update ${table}
          set banned_at = date_trunc('milliseconds', now()),
              banned_until = case when $2::bigint > 0
                then date_trunc('milliseconds', now()) + $2::bigint * interval '1 second' end,
              banned_by = $3,
              ban_reason = $4
        where ${row}
          and ${onlyIf}
       returning ${names}, banned_until, ban_reason)
     select record_audit(
              action => '${action}', actor => $3, remote_address => $5, ${audit},
              details => jsonb_build_object(${details}, 'until', banned_until, 'why', ban_reason))
       from banned`,
    [ban.id, ban.durationSeconds, ban.actor, ban.reason, ban.remoteAddress],
  )
  return rowCount === 1
}

/**
 * Ends the ban of a member, with the audit event in the same statement.
 * @returns false if there is no such member, or it is not banned
 */
export async function liftBan(db: Db, subject: Subject, { id, actor, remoteAddress }: BanChange): Promise<boolean> {
  const { table, names, row, audit, details, unban: action } = SUBJECTS[subject]
  const { rowCount } = await db.query(
    `with freed as (
       update ${table}
          set banned_until = now()
        where ${row}
          and ${IS_BANNED}
       returning ${names})
     select record_audit(
              action => '${action}', actor => $2, remote_address => $3, ${audit},
              details => jsonb_build_object(${details}))
       from freed`,
    [id, actor, remoteAddress],
  )
  return rowCount === 1
}
