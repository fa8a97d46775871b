import type { ca } from '@muster/contracts'

/** A rotation in JSON and YAML. */
export function rotationJson(rotation: ca.Rotation) {
  return {
    type: rotation.type,
    phase: rotation.phase,
    allowed_moves: rotation.allowedMoves,
    automatic: rotation.automatic,
    grace_ends_at: rotation.graceEndsAt ?? null,
    halted: rotation.halted === '' ? null : rotation.halted,
    started_at: rotation.startedAt ?? null,
    moved_at: rotation.movedAt ?? null,
    rotated_at: rotation.rotatedAt ?? null,
    pins: rotation.pins,
    confirmations: rotation.confirmations.map(({ kind, confirmed, waiting }) => ({ kind, confirmed, waiting })),
    unconfirmed: rotation.unconfirmed.map((member) => ({
      kind: member.kind,
      id: member.id,
      name: member.name,
      lacks: lacks(member),
      online: member.isOnline,
      last_seen_at: member.lastSeenAt ?? null,
      certificate_expires_at: member.certificateExpiresAt ?? null,
    })),
    unknown: rotation.unknown === '' ? null : rotation.unknown,
  }
}

/** What a member that has not confirmed lacks. */
export function lacks({ hasBundle, hasCertificate }: ca.UnconfirmedMember): string[] {
  return [...(hasBundle ? [] : ['bundle']), ...(hasCertificate ? [] : ['certificate'])]
}
