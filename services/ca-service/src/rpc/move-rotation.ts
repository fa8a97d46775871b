import type { ca } from '@muster/contracts'
import { type AuthorityType, invalid, refusal } from '@muster/domain'
import { recordRefused } from '@muster/audit'
import { memberOf, type UnaryHandler } from '@muster/rpc'
import type { Deps } from '../deps.ts'
import { makeMove } from '../rotation/make-move.ts'
import { isConfirmed, measureProgress, type Progress } from '../rotation/progress.ts'
import { currentRevision } from '../rotation/rotation-rows.ts'
import { assertMoveAllowed, type Phase, PHASES } from '../rotation/rotation-state.ts'
import { rotationMessage } from './rotation-message.ts'

const LONGEST_GRACE_SECONDS = 90 * 86_400

/**
 * Moves a rotation to another phase. Refuses to leave live members behind, unless it is forced: a step forward needs that
 * every one has confirmed the phase so far. A start and a rollback cut off no member, and wait for none.
 */
export function moveRotation(deps: Deps): UnaryHandler<ca.MoveRotationRequest, ca.MoveRotationResponse> {
  return async (request, { peer, remoteAddress }) => {
    const { authorities, pool, clock, refusals, authorityDeps } = deps
    const type = parseType(request.type)
    const phase = parsePhase(request.phase)
    const automatic = parseGrace(request, clock.now())
    const { spiffeId: actor } = memberOf(peer)
    const details = { type, to: phase, force: request.force }
    const attempt = { action: 'authority.rotate', actor, remoteAddress, details }
    return recordRefused(refusals, attempt, async () => {
      await authorities.follow(() => currentRevision(pool))
      const { current } = authorities
      const set = current[type]
      assertMoveAllowed(set.phase, phase)
      const progress = await measureProgress(deps, current, type)
      if (needsConfirmation(phase) && !request.force && !isConfirmed(progress)) throw notConfirmed(set.phase, progress)
      if (request.dryRun) return { rotation: rotationMessage(set, progress) }
      const revision = request.revision === 0 ? set.rotation.revision : request.revision
      await makeMove(authorityDeps, {
        type,
        move: phase,
        revision,
        actor,
        remoteAddress,
        ...(automatic && { automatic }),
      })
      await authorities.reload()
      const after = await measureProgress(deps, authorities.current, type)
      return { rotation: rotationMessage(authorities.current[type], after) }
    })
  }
}

function needsConfirmation(move: Phase): boolean {
  return move !== 'init' && move !== 'rollback'
}

function notConfirmed(phase: Phase, { confirmations, unknown }: Progress) {
  const waiting = confirmations.filter((kind) => kind.waiting > 0).map((kind) => `${kind.waiting} ${kind.kind}`)
  const who = [...waiting, ...(unknown === '' ? [] : [unknown])].join(', ')
  const advice = 'a move now would cut them off'
  return refusal('ROTATION_NOT_CONFIRMED', `not everyone has confirmed ${phase}: ${who}; ${advice}`)
}

function parseType(value: string): AuthorityType {
  if (value !== 'host' && value !== 'user') throw invalid('type', 'must be host or user')
  return value
}

function parsePhase(value: string): Phase {
  const phase = PHASES.find((known) => known === value)
  if (phase === undefined) throw invalid('phase', `must be one of ${PHASES.join(', ')}`)
  return phase
}

function parseGrace({ phase, automaticForSeconds }: ca.MoveRotationRequest, now: Date) {
  if (automaticForSeconds === 0) return undefined
  if (phase !== 'init') throw invalid('automatic_for_seconds', 'is allowed with init only')
  if (automaticForSeconds > LONGEST_GRACE_SECONDS) throw invalid('automatic_for_seconds', 'must be at most 90 days')
  return { graceEndsAt: new Date(now.getTime() + automaticForSeconds * 1_000) }
}
