/** What a member of the cluster is, as the first part of its SPIFFE path. */
export const MEMBER_KINDS = ['node', 'service', 'user', 'bot'] as const
export type MemberKind = (typeof MEMBER_KINDS)[number]

export interface SpiffeId {
  clusterName: string
  kind: MemberKind
  name: string
}

/** `spiffe://<cluster>/<kind>/<name>` (SPIFFE-ID §2). Its parts must have been checked. */
export function formatSpiffeId({ clusterName, kind, name }: SpiffeId): string {
  return `spiffe://${clusterName}/${kind}/${name}`
}

/** Reads a SPIFFE id of this system's form, or undefined for any other text. */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  const match = /^spiffe:\/\/([a-z0-9.-]{1,253})\/([a-z]+)\/([A-Za-z0-9._-]{1,128})$/.exec(text)
  const kind = MEMBER_KINDS.find((k) => k === match?.[2])
  if (match === null || kind === undefined) return undefined
  return { clusterName: match[1]!, kind, name: match[3]! }
}
