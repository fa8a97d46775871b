import type { ca } from '@muster/contracts'
import { spkiPin } from '@muster/pki'
import type { AuthoritySet } from '../authorities/authorities.ts'
import type { Progress } from '../rotation/progress.ts'
import { allowedMoves, trustedAuthorities } from '../rotation/rotation-state.ts'

/** A rotation as operators see it. */
export function rotationMessage(set: AuthoritySet, progress: Progress): ca.Rotation {
  const { type, phase, rotation } = set
  return {
    type,
    phase,
    allowedMoves: [...allowedMoves(phase)],
    revision: rotation.revision,
    automatic: rotation.isAutomatic,
    graceEndsAt: rotation.graceEndsAt ?? undefined,
    halted: rotation.halted ?? '',
    startedAt: rotation.startedAt ?? undefined,
    movedAt: rotation.movedAt ?? undefined,
    rotatedAt: rotation.rotatedAt ?? undefined,
    pins: trustedAuthorities(set).map(({ rootDer }) => spkiPin(rootDer)),
    ...progress,
  }
}
