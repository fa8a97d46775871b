import { AppError } from '@muster/domain'
import type { Db } from '@muster/postgres'
import { type CallContext, memberOf } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { noteSignupToken } from './users.ts'

/**
 * Makes the token that a person signs up with and notes it as the one that counts. Called in the transaction that has
 * entered or reset the person: its lock on the row lets one call at a time make a token for them, so the last one made is
 * the one on record. A token that was made in a transaction that then failed is on no record, and so admits nobody.
 */
export async function makeSignupToken(
  { tokens }: Pick<Deps, 'tokens'>,
  db: Db,
  { name, ttlSeconds }: { name: string; ttlSeconds: number },
  context: CallContext,
): Promise<{ id: string; value: string }> {
  const request = { userName: name, ttlSeconds, createdBy: memberOf(context.peer).spiffeId }
  const { token, value } = await tokens.createSignupToken(request, { parent: context })
  if (token === undefined) throw new AppError('internal', 'token-service answered without a token')
  await noteSignupToken(db, name, token.id)
  return { id: token.id, value }
}
