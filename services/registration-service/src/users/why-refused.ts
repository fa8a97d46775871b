import type { AppError } from '@muster/domain'
import type { Db } from '@muster/postgres'
import { banned } from '../bans/ban-errors.ts'
import { BAN_COLUMNS, type BanRow, banOf } from '../bans/stored-ban.ts'
import { selectUser } from './store/people.ts'
import type { KeyHolder } from './store/sessions.ts'
import { lastAdmin, noSuchUser, unknownUser } from './user-errors.ts'

/**
 * Says why a caller who holds this key is not served: an admin has locked them out, or they are not a user now. Only the
 * holder of a person's key learns of the lock.
 */
export async function whyNotServed(db: Db, { name, keyFingerprint }: KeyHolder): Promise<AppError> {
  const { rows } = await db.query<BanRow>(
    `select ${BAN_COLUMNS}
       from users
      where name = $1
        and key_fingerprint = $2`,
    [name, keyFingerprint],
  )
  const lock = rows[0] && banOf(rows[0])
  return lock === undefined ? unknownUser(name) : banned('user', lock)
}

/** Says why a conditional change was not made: the user does not exist, or is the last admin. */
export async function whyUnchanged(db: Db, name: string): Promise<AppError> {
  return (await selectUser(db, name)) === undefined ? noSuchUser(name) : lastAdmin(name)
}
