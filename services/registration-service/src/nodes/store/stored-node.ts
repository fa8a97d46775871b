import type { Labels, NodeRole } from '@muster/domain'
import { CLONE_COLUMNS, type CloneRow, type StoredClone, withClone } from '../../clones/stored-clone.ts'
import { BAN_COLUMNS, type BanRow, type StoredBan, withBan } from '../../bans/stored-ban.ts'

/** A node that has joined, as stored. */
export interface StoredNode {
  id: string
  hostname: string
  roles: NodeRole[]
  labels: Labels
  version: string
  advertisedAddress: string
  remoteAddress: string
  os: string
  tokenId: string
  joinedAt: Date
  /** Undefined until its first hello. */
  firstSeenAt: Date | undefined
  lastSeenAt: Date | undefined
  certificateExpiresAt: Date
  /** Undefined unless it is banned now. */
  ban: StoredBan | undefined
  /** Undefined unless it counts as cloned. */
  clone: StoredClone | undefined
}

/** The columns of StoredNode. */
export const NODE_COLUMNS = `
  id, hostname, roles, labels, version, advertised_address as "advertisedAddress", remote_address as "remoteAddress",
  os, token_id as "tokenId", joined_at as "joinedAt", first_seen_at as "firstSeenAt", last_seen_at as "lastSeenAt",
  certificate_expires_at as "certificateExpiresAt", ${BAN_COLUMNS},
  ${CLONE_COLUMNS}`

type Seen = 'firstSeenAt' | 'lastSeenAt'
type NodeRow = Omit<StoredNode, Seen | 'ban' | 'clone'> & Record<Seen, Date | null> & BanRow & CloneRow

/** A row as a node, with undefined in place of null. */
export function toStoredNode(row: NodeRow): StoredNode {
  const node = withClone(withBan(row))
  return { ...node, firstSeenAt: row.firstSeenAt ?? undefined, lastSeenAt: row.lastSeenAt ?? undefined }
}
