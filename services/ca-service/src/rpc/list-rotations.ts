import type { ca } from '@muster/contracts'
import type { UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { measureProgress, type Progress } from '../rotation/progress.ts'
import { currentRevision } from '../rotation/rotation-rows.ts'
import { rotationMessage } from './rotation-message.ts'

const NOTHING_TO_CONFIRM: Progress = { confirmations: [], unconfirmed: [], unknown: '' }

/** Where the rotation of each type stands, and who has confirmed its phase. Safe to repeat. */
export function listRotations(deps: Deps): UnaryHandler<ca.ListRotationsRequest, ca.ListRotationsResponse> {
  return async () => {
    const { authorities, pool } = deps
    await authorities.follow(() => currentRevision(pool))
    const { current } = authorities
    const rotations = (['host', 'user'] as const).map(async (type) => {
      const set = current[type]
      const isIdle = set.phase === 'standby'
      return rotationMessage(set, isIdle ? NOTHING_TO_CONFIRM : await measureProgress(deps, current, type))
    })
    return { rotations: await Promise.all(rotations) }
  }
}
