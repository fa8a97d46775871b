import type { AppError } from '@muster/domain'
import type { Db } from '@muster/postgres'
import { lastAdmin, noSuchUser } from './user-errors.ts'
import { selectUser } from './store/people.ts'

/** Says why a conditional change was not made: the user does not exist, or is the last admin. */
export async function whyUnchanged(db: Db, name: string): Promise<AppError> {
  return (await selectUser(db, name)) === undefined ? noSuchUser(name) : lastAdmin(name)
}
