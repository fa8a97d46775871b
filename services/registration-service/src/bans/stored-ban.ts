/** A ban that is in force, as stored. */
export interface StoredBan {
  bannedAt: Date
  /** Undefined: until it is lifted. */
  until: Date | undefined
  /** SPIFFE id of the operator. */
  by: string
  /** What the operator gave as the reason; may be empty. */
  reason: string
}

/** True of a row of nodes, bots or users that is banned now. */
export const IS_BANNED = isBanned()

/** True of the row of this table or alias if it is banned now. */
export function isBanned(table?: string): string {
  const prefix = table === undefined ? '' : `${table}.`
  return `(${prefix}banned_at is not null and coalesce(${prefix}banned_until > now(), true))`
}

/** The columns that `banOf` reads; `bannedAt` is null unless the ban is in force. */
export const BAN_COLUMNS = `
  case when ${IS_BANNED} then banned_at end as "bannedAt", banned_until as "bannedUntil", banned_by as "bannedBy",
  ban_reason as "banReason"`

/** What a query of BAN_COLUMNS returns. */
export interface BanRow {
  bannedAt: Date | null
  bannedUntil: Date | null
  bannedBy: string | null
  banReason: string | null
}

/** The ban of a row that is in force; undefined if there is none. */
export function banOf({ bannedAt, bannedUntil, bannedBy, banReason }: BanRow): StoredBan | undefined {
  if (bannedAt === null) return undefined
  return { bannedAt, until: bannedUntil ?? undefined, by: bannedBy ?? '', reason: banReason ?? '' }
}

/** A row without its columns of the ban, and with the ban in force in their place. */
export function withBan<R extends BanRow>({ bannedAt, bannedUntil, bannedBy, banReason, ...row }: R) {
  return { ...row, ban: banOf({ bannedAt, bannedUntil, bannedBy, banReason }) }
}
