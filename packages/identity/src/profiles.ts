import type { Labels, NodeRole, ServingService, ShortNameOf } from '@muster/domain'
import type { IdentityFolder } from './identity-folder.ts'

/** What a node reports about itself. */
export interface NodeFacts {
  hostname: string
  labels: Labels
  advertisedAddress: string
}

/** The profile in the data directory of a node or a bot. */
export interface NodeProfile {
  /** Of a bot: the id of this instance. */
  nodeId: string
  /** Of a bot only; its certificate is for this name. */
  botName?: string
  clusterName: string
  roles: NodeRole[]
  authServer: string
  trustBundleVersion: number
  /** Of a bot: which authority signed its certificate; absent for the first. */
  authorityNumber?: number
  /** What the node last reported about itself. */
  facts?: NodeFacts
}

/** The identity of a node or a bot. */
export type NodeIdentity = IdentityFolder<NodeProfile>

/** The profile in an operator's identity folder. */
export interface OperatorProfile {
  clusterName: string
  caPins: string[]
  /** HOST:PORT of each service that serves gRPC, by its short name. */
  addresses: Record<ShortNameOf<ServingService>, string>
  /** The address of registration-service for other machines; printed in commands that run there. */
  publicAddress: string
  /** HOST:PORT at which other machines reach web-service; absent if it is not known. */
  webAddress?: string
  /** The name of a person who signed up. Identities of `ca-service issue-admin` have none: they are not renewed. */
  user?: string
  /** When renewals of that person's certificate stop, ISO 8601. */
  sessionExpiresAt?: string
}
