import { AppError } from '@muster/domain'
import type { Db } from '@muster/postgres'
import { memberOf, type CallContext } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { noSuchUser } from './to-user.ts'
import { selectUser } from './users.ts'

const REASON = 'LAST_ADMIN'

/** Why a change that keeps the last admin was not made: there is nobody of that name, or it is the last admin. */
export async function whyUnchanged(db: Db, name: string): Promise<AppError> {
  if ((await selectUser(db, name)) === undefined) return noSuchUser(name)
  const message = `${name} is the last admin; make somebody else admin first, or use 'ca-service issue-admin'`
  return new AppError('failedPrecondition', message, { reason: REASON, field: 'name' })
}

/** Makes a change that the last admin may be in the way of, and puts on record if it was. */
export async function guarded<T>(
  { refusals }: Pick<Deps, 'refusals'>,
  { action, user, context }: { action: string; user: string; context: CallContext },
  change: () => Promise<T>,
): Promise<T> {
  try {
    return await change()
  } catch (error) {
    if (error instanceof AppError && error.reason === REASON) {
      const { spiffeId: actor } = memberOf(context.peer)
      const { remoteAddress } = context
      await refusals.record({ action, actor, remoteAddress, reason: REASON, details: { user } })
    }
    throw error
  }
}
