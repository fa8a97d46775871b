import { UsageError } from '@muster/cli-kit'
import { parseDuration } from '@muster/domain'
import { isUnsafe } from '@muster/domain/safe-text'
import { MAX_UINT32 } from '../../cluster/wire-limits.ts'
import { asUsage } from '../../documents/as-usage.ts'

/** The flags of commands that shut a member out. */
export const BAN_FLAGS = {
  for: { type: 'string', value: 'DURATION', describe: 'How long: 30m, 24h, 7d; without it, until it is lifted' },
  reason: { type: 'string', value: 'TEXT', describe: 'Why; the member is told, and the audit has it' },
} as const

/** How long a ban lasts, 0 for no end, and why. */
export interface BanTerms {
  durationSeconds: number
  reason: string
}

const MAX_REASON_CHARACTERS = 200

/** Reads the flags. @throws UsageError */
export function parseBanFlags({
  for: duration,
  reason = '',
}: {
  for?: string | undefined
  reason?: string | undefined
}): BanTerms {
  const durationSeconds = duration === undefined ? 0 : asUsage(() => parseDuration(duration, '--for'))
  if (durationSeconds > MAX_UINT32) throw new UsageError('--for: must be at most 136 years; leave it out for no end')
  if (isUnsafe(reason)) throw new UsageError('--reason: must be printable text on one line')
  if (reason.length > MAX_REASON_CHARACTERS) {
    throw new UsageError(`--reason: must be at most ${MAX_REASON_CHARACTERS} characters`)
  }
  return { durationSeconds, reason }
}
