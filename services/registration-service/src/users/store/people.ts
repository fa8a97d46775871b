import type { OperatorRole } from '@muster/domain'
import type { Db } from '@muster/postgres'
import { USER_COLUMNS, type UserRow, type StoredUser, toStoredUser } from './stored-user.ts'

/** Adds a person who has not signed up. @returns undefined if the name is taken */
export async function insertUser(
  db: Db,
  user: { name: string; roles: readonly OperatorRole[]; createdBy: string; signupTokenId?: string | undefined },
): Promise<StoredUser | undefined> {
  const { rows } = await db.query<UserRow>(
    `insert into users (name, roles, created_by, signup_token_id)
     values ($1, $2, $3, $4)
     on conflict on constraint users_pkey do nothing
     returning ${USER_COLUMNS}`,
    [user.name, user.roles, user.createdBy, user.signupTokenId ?? null],
  )
  return rows[0] && toStoredUser(rows[0])
}

/** One person, or undefined. */
export async function selectUser(db: Db, name: string): Promise<StoredUser | undefined> {
  const { rows } = await db.query<UserRow>(`select ${USER_COLUMNS} from users where name = $1`, [name])
  return rows[0] && toStoredUser(rows[0])
}

/** A page of users by name. */
export async function selectUsers(
  db: Db,
  { size, after }: { size: number; after: string | undefined },
): Promise<StoredUser[]> {
  const { rows } = await db.query<UserRow>(
    `select ${USER_COLUMNS}
       from users
      where name > $1
      order by name
      limit $2`,
    [after ?? '', size],
  )
  return rows.map(toStoredUser)
}
