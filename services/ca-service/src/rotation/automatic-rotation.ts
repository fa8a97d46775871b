import { recordAudit } from '@muster/audit'
import { type AuthorityType, AppError } from '@muster/domain'
import { transaction } from '@muster/postgres'
import type { AuthoritySet } from '../authorities/authorities.ts'
import type { AuthorityDeps } from '../authorities/authority-deps.ts'
import type { CurrentAuthorities } from '../authorities/current-authorities.ts'
import { makeMove } from './make-move.ts'
import { isConfirmed, measureProgress, type ProgressDeps } from './progress.ts'
import { updateRotation } from './rotation-rows.ts'
import { stepForward } from './rotation-state.ts'

/** What automatic mode needs. */
export interface AutomaticDeps extends ProgressDeps {
  authorities: CurrentAuthorities
  authorityDeps: AuthorityDeps
}

/** The actor of automatic moves, for the audit. */
const ACTOR = 'ca-service'

/**
 * Moves each rotation in automatic mode one step, if every live member has confirmed its phase. At the end of its grace
 * period it stops automatic mode and says why, and cuts off no member. Every replica runs it; of two that move at once one wins.
 */
export async function driveRotations(deps: AutomaticDeps): Promise<void> {
  for (const type of ['host', 'user'] as const) {
    const set = deps.authorities.current[type]
    if (set.rotation.isAutomatic) await drive(deps, type, set).catch(ignoreOtherMove)
  }
}

async function drive(deps: AutomaticDeps, type: AuthorityType, set: AuthoritySet): Promise<void> {
  const { authorities, authorityDeps } = deps
  const { revision, graceEndsAt } = set.rotation
  const move = stepForward(set.phase)
  if (move === undefined) return
  const progress = await measureProgress(deps, authorities.current, type)
  if (isConfirmed(progress)) {
    await makeMove(authorityDeps, { type, move, revision, actor: ACTOR })
  } else if (graceEndsAt !== null && graceEndsAt <= authorityDeps.clock.now()) {
    const waiting = progress.confirmations.filter((kind) => kind.waiting > 0)
    const who = waiting.map((kind) => `${kind.waiting} ${kind.kind}`).join(', ') || progress.unknown
    await halt(authorityDeps, set, `the grace period ended in ${set.phase}, and these have not confirmed it: ${who}`)
  } else {
    return
  }
  await authorities.reload()
}

async function halt({ pool, log }: AuthorityDeps, set: AuthoritySet, halted: string): Promise<void> {
  const { type, rotation } = set
  await transaction(pool, async (db) => {
    const changed = await updateRotation(db, rotation.revision, { ...rotation, isAutomatic: false, halted })
    if (changed === undefined) return
    await recordAudit(db, { action: 'authority.rotation-halt', actor: ACTOR, outcome: 'ok', details: { type, halted } })
    log.warn({ event: 'authority.rotation-halt', type, halted }, 'stopped an automatic rotation')
  })
}

function ignoreOtherMove(error: unknown): void {
  if (!(error instanceof AppError) || error.reason !== 'ROTATION_MOVED') throw error
}
