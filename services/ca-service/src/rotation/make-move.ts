import { recordAudit } from '@muster/audit'
import { type AuthorityType, refusal } from '@muster/domain'
import { transaction } from '@muster/postgres'
import { lockAuthorities } from '../authorities/authorities.ts'
import type { AuthorityDeps } from '../authorities/authority-deps.ts'
import { dropAuthority, selectAuthority } from '../authorities/authority-rows.ts'
import { createAuthority, vouchForEachOther } from '../authorities/create-authority.ts'
import { type RotationChange, type RotationRow, selectRotation, updateRotation } from './rotation-rows.ts'
import { afterMove, assertMoveAllowed, type Phase, type RotationState, trustedAuthorities } from './rotation-state.ts'

/** A move of the rotation of one type. */
export interface MoveRequest {
  type: AuthorityType
  move: Phase
  /** The revision that the caller has seen; undefined moves from whatever phase it is in. */
  revision?: number
  /** Only with `init`: whether ca-service moves on by itself, and until when. */
  automatic?: { graceEndsAt: Date }
  /** SPIFFE id of the caller, or another name for the audit. */
  actor: string
  remoteAddress?: string
}

/**
 * Moves the rotation of a type to another phase, with its audit event, in one transaction. A move to init creates the next
 * authority; a move to standby destroys the keys of the authority that is dropped. A crash leaves the phase before
 * the move or after it, and nothing in between.
 * @throws failedPrecondition ROTATION_MOVE_NOT_ALLOWED; aborted ROTATION_MOVED if another move came first
 */
export function makeMove(deps: AuthorityDeps, request: MoveRequest): Promise<RotationRow> {
  const { type, move } = request
  return transaction(deps.pool, async (db) => {
    await lockAuthorities(db)
    const row = await selectRotation(db, type)
    if (row === undefined) throw new Error(`there is no ${type} authority yet`)
    if (row.revision !== (request.revision ?? row.revision)) throw moved(row)
    assertMoveAllowed(row.phase, move)

    const before: RotationState<number> = { phase: row.phase, active: row.activeId, next: row.nextId ?? undefined }
    const created = move === 'init' ? await createAuthority(db, deps, type) : undefined
    if (created !== undefined) await vouchForEachOther(db, deps, await selectAuthority(db, row.activeId), created)
    const after = afterMove(before, move, created?.id)

    const changed = await updateRotation(db, row.revision, changeOf(row, before, after, request, deps.clock.now()))
    if (changed === undefined) throw moved(row)
    for (const id of trustedAuthorities(before)) {
      if (!trustedAuthorities(after).includes(id)) await dropAuthority(db, id)
    }
    await recordAudit(db, {
      action: 'authority.rotate',
      actor: request.actor,
      remoteAddress: request.remoteAddress,
      outcome: 'ok',
      details: { type, from: row.phase, to: move, automatic: changed.isAutomatic },
    })
    deps.log.info(
      { event: 'authority.rotate', type, from: row.phase, to: move, actor: request.actor },
      'moved a rotation',
    )
    return changed
  })
}

function changeOf(
  row: RotationRow,
  before: RotationState<number>,
  after: RotationState<number>,
  { move, automatic }: MoveRequest,
  now: Date,
): RotationChange {
  const ends = move === 'standby'
  const mode =
    move === 'init'
      ? { isAutomatic: automatic !== undefined, graceEndsAt: automatic?.graceEndsAt ?? null, startedAt: now }
      : { isAutomatic: row.isAutomatic && !ends, graceEndsAt: ends ? null : row.graceEndsAt, startedAt: row.startedAt }
  return {
    type: row.type,
    phase: after.phase,
    activeId: after.active,
    nextId: after.next ?? null,
    // The trusted roots change when one comes in and when one is dropped.
    trustVersion: row.trustVersion + (move === 'init' || ends ? 1 : 0),
    halted: null,
    // A rollback ends with the authority that it began with, and is no rotation.
    rotatedAt: ends && after.active !== before.active ? now : row.rotatedAt,
    ...mode,
    startedAt: ends ? null : mode.startedAt,
  }
}

function moved({ type, phase }: RotationRow) {
  return refusal('ROTATION_MOVED', `the ${type} rotation has moved meanwhile; it is in ${phase}`)
}
