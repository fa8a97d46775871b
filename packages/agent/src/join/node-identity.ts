import type { ca } from '@muster/contracts'
import { CERTIFICATE_BACKDATE_MS, formatSpiffeId, type NodeRole } from '@muster/domain'
import {
  certifiedIdentity,
  chainPem,
  dersFromPem,
  generateKey,
  parseIdentity,
  privateKeyFromPem,
  privateKeyPem,
  publicKeyDer,
} from '@muster/pki'
import type { TlsMaterial } from '@muster/rpc'
import {
  ensureKey,
  type IdentityFolder,
  readIdentity,
  recoverIdentity,
  type Renewed,
  writeIdentity,
} from '@muster/identity'
import { NotTrustedError } from '../exit-status.ts'
import type { NodeFacts } from '../config/options.ts'

/** What a data directory says besides key and certificates. */
export interface NodeProfile {
  /** Of a bot: the id of this instance of it. */
  nodeId: string
  /** Of a bot only; its certificate is for this name. */
  botName?: string
  clusterName: string
  roles: NodeRole[]
  authServer: string
  trustBundleVersion: number
  /** What the node said of itself last. */
  facts?: NodeFacts
}

export type NodeIdentity = IdentityFolder<NodeProfile>

/** What the server hands out at join and at renewal. */
export interface Grant {
  certificate: ca.IssuedCertificate | undefined
  trustBundle: ca.TrustBundle | undefined
}

/**
 * The node's private key, PEM; made and kept before it is first used, so that a crash while joining retries with the same
 * key. `nextKey` is the one that a bot's next certificate is for.
 */
export function ensureNodeKey(dataDir: string, name: 'key' | 'nextKey' = 'key'): Promise<string> {
  return ensureKey(dataDir, () => privateKeyPem(generateKey()), name)
}

/** The identity that an earlier run has left, or undefined. What that run did not finish is finished first. */
export async function loadIdentity(dataDir: string): Promise<NodeIdentity | undefined> {
  await recoverIdentity(dataDir)
  return readIdentity<NodeProfile>(dataDir)
}

/** Who this is, for people. */
export function nameOf({ nodeId, botName, roles }: NodeProfile): string {
  return botName === undefined ? `node ${nodeId} (${roles.join(', ')})` : `bot ${botName} (instance ${nodeId})`
}

/**
 * Checks that a grant is what this node asked for - its own key, its own name, a chain that ends at a root it trusts -
 * and keeps it, before anything acts on it. A grant for the next key makes that the key.
 * @throws NotTrustedError if it is not
 */
export async function keepGrant(
  dataDir: string,
  keyPem: string,
  grant: Grant,
  profile: Omit<NodeProfile, 'clusterName' | 'trustBundleVersion'>,
  trustedRootsPem: string,
): Promise<NodeIdentity> {
  const { certificate, trustBundle } = grant
  if (certificate === undefined || certificate.chainDer.length === 0 || trustBundle === undefined) {
    throw new NotTrustedError('the server answered without a certificate')
  }
  const { chainDer } = certificate
  const { nodeId, botName, roles } = profile
  const member =
    botName === undefined ? { kind: 'node' as const, name: nodeId } : { kind: 'bot' as const, name: botName }
  const spiffeId = formatSpiffeId({ clusterName: trustBundle.clusterName, ...member })
  const ownKeyDer = publicKeyDer(privateKeyFromPem(keyPem))
  // Yesterday's roots or today's: a renewal may be the first to bring a new root.
  const rootsDer = [...dersFromPem(trustedRootsPem), ...trustBundle.hostRootsDer]
  const isOurs = certifiedIdentity({ chainDer, rootsDer, spiffeId, publicKeyDer: ownKeyDer, at: 'now' }) !== undefined
  const isAsAsked = roles.includes('bot') === (botName !== undefined)
  if (!isAsAsked || !isOurs) {
    throw new NotTrustedError('the server answered with a certificate that is not ours')
  }
  const identity = {
    chainPem: chainPem(chainDer),
    bundlePem: chainPem(trustBundle.hostRootsDer),
    profile: { ...profile, clusterName: trustBundle.clusterName, trustBundleVersion: trustBundle.version },
  }
  await writeIdentity(dataDir, identity)
  return { ...identity, keyPem }
}

/** The identity as TLS wants it. */
export function tlsMaterial({ keyPem, chainPem: pem, bundlePem }: NodeIdentity): TlsMaterial {
  return { own: { keyPem, chainPem: pem }, hostRootsPem: bundlePem, userRootsPem: '' }
}

/** How long its certificate lives. */
export function lifeOf(identity: NodeIdentity): Renewed {
  const { notBefore, notAfter } = parseIdentity(dersFromPem(identity.chainPem)[0]!)
  return { issuedAt: new Date(notBefore.getTime() + CERTIFICATE_BACKDATE_MS), expiresAt: notAfter }
}
