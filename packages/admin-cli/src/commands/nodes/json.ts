import type { registration } from '@muster/contracts'
import { banJson } from '../bans/ban-json.ts'

const STATUS = ['unknown', 'pending', 'online', 'offline', 'expired', 'unknown', 'banned', 'cloned'] as const
/** A node's status as a word. */
export type Status = (typeof STATUS)[number]

/** A node's status as a word. A state that this version does not know is `unknown`. */
export function nodeStatusOf({ status }: registration.Node): Status {
  return STATUS[status] ?? 'unknown'
}

/** The address that a node advertises, or else the address that it last called from. */
export function publicAddress(node: registration.Node): string {
  return node.advertisedAddress === '' ? node.remoteAddress : node.advertisedAddress
}

function cloneJson(clone: registration.CloneSign | undefined) {
  return clone === undefined ? null : { found_at: clone.foundAt ?? null, remote_addresses: clone.remoteAddresses }
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
    outdated: node.outdated,
    os: node.os,
    token_id: node.tokenId,
    joined_at: node.joinedAt ?? null,
    certificate_expires_at: node.certificateExpiresAt ?? null,
    ban: banJson(node.ban),
    clone: cloneJson(node.clone),
  }
}
