import { CALL_REASONS } from './call-reasons.ts'
import { MEMBER_REASONS } from './member-reasons.ts'
import type { ProgramName, ReasonInfo } from './reason-info.ts'
import { ROTATION_REASONS } from './rotation-reasons.ts'
import { TOKEN_REASONS } from './token-reasons.ts'

/**
 * Every reason that an error of the cluster can carry: a closed table and a promise to other programs. A reason keeps its
 * kind for good; new ones may be added. docs/errors.md is generated from it.
 */
export const REASONS = { ...CALL_REASONS, ...TOKEN_REASONS, ...MEMBER_REASONS, ...ROTATION_REASONS } as const

/** A stable upper-case word that a program may branch on, such as TOKEN_EXPIRED. */
export type Reason = keyof typeof REASONS

/** What is known about a reason; undefined for one of a newer server. */
export function reasonInfo(reason: string | undefined): ReasonInfo | undefined {
  return reason !== undefined && Object.hasOwn(REASONS, reason) ? REASONS[reason as Reason] : undefined
}

/**
 * What a person does next after this reason, as a clause without capital and full stop. `fill` replaces words in capitals:
 * `{ USER: 'ada' }`. @returns undefined if the program has nothing to add to the message
 */
export function nextStep(
  reason: string | undefined,
  program: ProgramName,
  fill: Readonly<Record<string, string>> = {},
): string | undefined {
  const next = reasonInfo(reason)?.next
  const text = typeof next === 'string' ? next : next?.[program]
  return text?.replace(/\b[A-Z]+\b/g, (word) => (Object.hasOwn(fill, word) ? fill[word]! : word))
}
