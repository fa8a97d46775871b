import { type AppError, refusal } from '@muster/domain'
import type { Db } from '@muster/postgres'
import { noSuchUser } from './to-user.ts'
import { selectUser } from './users.ts'

/** Why a change that keeps the last admin was not made: there is nobody of that name, or it is the last admin. */
export async function whyUnchanged(db: Db, name: string): Promise<AppError> {
  return (await selectUser(db, name)) === undefined ? noSuchUser(name) : lastAdmin(name)
}

/** What the last admin cannot be: removed, demoted, or reset by somebody who could not put it right. */
export function lastAdmin(name: string): AppError {
  const message = `${name} is the last admin; make somebody else admin first, or use 'ca-service issue-admin'`
  return refusal('LAST_ADMIN', message, { field: 'name' })
}
