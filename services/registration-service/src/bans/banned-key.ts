import type { Db } from '@muster/postgres'
import { banned } from './ban-errors.ts'
import { BAN_COLUMNS, type BanRow, banOf, IS_BANNED } from './stored-ban.ts'

/**
 * Rejects a key that belongs to a member that is banned: a node, any key of a bot, or a person. A removed member's key counts
 * while its row is kept. @throws KEY_BANNED
 */
export async function assertKeyNotBanned(db: Db, keyFingerprint: Buffer): Promise<void> {
  const { rows } = await db.query<BanRow>({
    name: 'select-ban-of-key',
    text: `
      select ${BAN_COLUMNS}
        from nodes
       where key_fingerprint = $1
         and ${IS_BANNED}
      union all
      select ${BAN_COLUMNS}
        from bots
       where id = (select bot_id from bot_keys where key_fingerprint = $1)
         and ${IS_BANNED}
      union all
      select ${BAN_COLUMNS}
        from users
       where key_fingerprint = $1
         and ${IS_BANNED}
       limit 1`,
    values: [keyFingerprint],
  })
  const ban = rows[0] && banOf(rows[0])
  if (ban !== undefined) throw banned('key', ban)
}
