import type { registration } from '@muster/contracts'

const STATUS = ['unknown', 'pending', 'online', 'offline', 'expired', 'unknown'] as const
/** A node's status as a word. */
export type Status = (typeof STATUS)[number]

/** A node's status as a word. One that this version does not know yet is `unknown`. */
export function nodeStatusOf({ status }: registration.Node): Status {
  return STATUS[status] ?? 'unknown'
}

/** Where a node says it can be reached, or else where it was last heard from. */
export function publicAddress(node: registration.Node): string {
  return node.advertisedAddress === '' ? node.remoteAddress : node.advertisedAddress
}

/** A node as JSON and YAML show it. Documented in docs/cli-output.md. */
export function nodeJson(node: registration.Node) {
  return {
    id: node.id,
    hostname: node.hostname,
    status: nodeStatusOf(node),
    last_seen_at: node.lastSeenAt ?? null,
    public_address: publicAddress(node),
    remote_address: node.remoteAddress,
    roles: node.roles,
    labels: node.labels,
    version: node.version,
    os: node.os,
    token_id: node.tokenId,
    joined_at: node.joinedAt ?? null,
    certificate_expires_at: node.certificateExpiresAt ?? null,
  }
}
