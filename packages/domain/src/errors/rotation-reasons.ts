import type { ReasonInfo } from './reason-info.ts'

const STATUS = "'musterctl auth status' shows the phase and who has confirmed it"

/** Why a request about the rotation of an authority was refused. */
export const ROTATION_REASONS = {
  ROTATION_MOVE_NOT_ALLOWED: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning:
      'The rotation cannot go from its phase to the one that was asked for; the error names those that are allowed.',
    next: { musterctl: STATUS },
  },
  ROTATION_MOVED: {
    kind: 'aborted',
    retry: 'later',
    meaning: 'Another caller, or automatic mode, moved the rotation at the same time.',
    next: { musterctl: STATUS },
  },
  ROTATION_NOT_CONFIRMED: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: 'Live members have not confirmed the phase of the rotation, so the next phase would cut them off.',
    next: { musterctl: `wait for them: ${STATUS}; --force leaves them behind` },
  },
} as const satisfies Record<string, ReasonInfo>
