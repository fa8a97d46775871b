import { type AppError, refusal } from '@muster/domain'

/** The error for an id that no instance of a bot has. */
export function noSuchBot(id: string): AppError {
  return refusal('BOT_NOT_FOUND', `no bot has the id ${id}`)
}
