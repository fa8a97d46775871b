/** What happens to a node whose credentials were copied: `deny` refuses its renewals, `warn` only shows it. */
export const CLONE_POLICIES = ['warn', 'deny'] as const

/** One of them. */
export type ClonePolicy = (typeof CLONE_POLICIES)[number]
