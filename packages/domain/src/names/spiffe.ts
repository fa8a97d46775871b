/** The kinds of cluster member: the first part of a SPIFFE path. */
export const MEMBER_KINDS = ['node', 'service', 'user', 'bot'] as const
/** The kind of a member. */
export type MemberKind = (typeof MEMBER_KINDS)[number]

/** The two authorities of a cluster: one vouches for machines and services, the other for people. */
export type AuthorityType = 'host' | 'user'

/** The authority that vouches for each kind: the user CA cannot make a node, nor the host CA a person. */
export const AUTHORITY_OF: Readonly<Record<MemberKind, AuthorityType>> = {
  node: 'host',
  service: 'host',
  bot: 'host',
  user: 'user',
}

/** The parts of a SPIFFE id of this system. */
export interface SpiffeId {
  clusterName: string
  kind: MemberKind
  name: string
}

/** `spiffe://<cluster>/<kind>/<name>` (SPIFFE-ID §2). The caller has checked the parts. */
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
