import { type AppError, refusal } from '@muster/domain'

/** The error for an id that no node on the roll has. */
export function noSuchNode(id: string): AppError {
  return refusal('NODE_NOT_FOUND', `no node ${id} is on the roll`)
}

/**
 * The error for a node whose certificate is genuine but which is not on the roll: it was removed, or the database was
 * restored from an earlier state.
 */
export function unknownNode(): AppError {
  return refusal('NODE_UNKNOWN', 'this node is not on the roll')
}
