import type { AppError } from '@muster/domain'
import type { Db } from '@muster/postgres'
import { lastAdmin, noSuchUser } from './user-errors.ts'
import { selectUser } from './store/people.ts'

/** Why a change that keeps the last admin was not made: there is nobody of that name, or it is the last admin. */
export async function whyUnchanged(db: Db, name: string): Promise<AppError> {
  return (await selectUser(db, name)) === undefined ? noSuchUser(name) : lastAdmin(name)
}
