import type { AppError } from '@muster/domain'
import type { Db } from '@muster/postgres'
import { banned } from '../bans/ban-errors.ts'
import { unknownNode } from './node-errors.ts'
import { selectStanding } from './store/roll-queries.ts'

/** Says why a node whose certificate or key is genuine is not served: it is banned, or not on the roll. */
export async function whyOff(db: Db, nodeId: string): Promise<AppError> {
  const ban = (await selectStanding(db, [nodeId])).get(nodeId)
  return ban === undefined ? unknownNode() : banned('node', ban)
}
