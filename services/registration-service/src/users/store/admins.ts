import type { OperatorRole } from '@muster/domain'
import type { Db } from '@muster/postgres'
import { USER_COLUMNS, type UserRow, USER_STATE, type StoredUser, toStoredUser } from './stored-user.ts'

/**
 * Makes transactions that remove, reset or demote people take turns, on every replica, so that each sees which admins the
 * one before it left.
 */
export async function lockAdmins(db: Db): Promise<void> {
  await db.query(`select pg_advisory_xact_lock(hashtext('muster.admins'))`)
}

/** A condition on a row of users, false for the only admin in a session who is not locked out. Valid under `lockAdmins`. */
export const NOT_THE_LAST_ADMIN = `
  not ('admin' = any (roles) and ${USER_STATE} = 'active' and not exists (
         select 1
           from (select name as other, ${USER_STATE} as state, roles from users) as others
          where other <> users.name
            and 'admin' = any (others.roles)
            and others.state = 'active'))`

/** Removes a person unless they are the last admin. @returns undefined if nobody was removed */
export async function deleteUser(db: Db, name: string): Promise<StoredUser | undefined> {
  const { rows } = await db.query<UserRow>(
    `delete from users
      where name = $1
        and ${NOT_THE_LAST_ADMIN}
     returning ${USER_COLUMNS}`,
    [name],
  )
  return rows[0] && toStoredUser(rows[0])
}

/** Whether a person is the only admin in a session. Final under `lockAdmins` only. */
export async function isLastAdmin(db: Db, name: string): Promise<boolean> {
  const { rowCount } = await db.query(`select from users where name = $1 and not ${NOT_THE_LAST_ADMIN}`, [name])
  return rowCount === 1
}

/** Changes a person's roles unless that would demote the last admin. @returns undefined if nothing was changed */
export async function updateRoles(
  db: Db,
  name: string,
  roles: readonly OperatorRole[],
): Promise<StoredUser | undefined> {
  const { rows } = await db.query<UserRow>(
    `update users
        set roles = $2
      where name = $1
        and ('admin' = any ($2) or ${NOT_THE_LAST_ADMIN})
     returning ${USER_COLUMNS}`,
    [name, roles],
  )
  return rows[0] && toStoredUser(rows[0])
}
