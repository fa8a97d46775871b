import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import path from 'node:path'
import {
  ensureKey,
  type Grant,
  GrantError,
  IDENTITY_FILES,
  type KeyName,
  type NodeIdentity,
  type NodeProfile,
  parseGrant,
  readIdentity,
  recoverIdentity,
  writeIdentity,
} from '@muster/identity'
import { parseSpiffeId } from '@muster/domain'
import { chainPem as pemOf, dersFromPem, generateKey, parseIdentity, privateKeyPem } from '@muster/pki'
import { createFileAtomic, FileError } from '@muster/runtime'
import { NotTrustedError } from '../exit-status.ts'

/**
 * Returns the node's private key, PEM. A new key is stored before it is first used, so a join that is repeated after a
 * crash uses the same key. `nextKey` is the key for a bot's next certificate, `joinKey` the one for another instance.
 */
export function ensureNodeKey(dataDir: string, name: KeyName = 'key'): Promise<string> {
  return ensureKey(dataDir, () => privateKeyPem(generateKey()), name)
}

/**
 * Reads the identity of an earlier run, if there is one. Completes first what that run could not complete.
 * @throws FileError; Error that names a damaged file and says what to do
 */
export async function loadIdentity(dataDir: string): Promise<NodeIdentity | undefined> {
  try {
    await recoverIdentity(dataDir)
    const identity = await readIdentity<NodeProfile>(dataDir)
    return identity && whole(dataDir, identity)
  } catch (error) {
    if (error instanceof FileError) throw error
    throw new Error(`${(error as Error).message}; restore it from a backup, or delete ${dataDir} and join again`, {
      cause: error,
    })
  }
}

function whole(dataDir: string, identity: NodeIdentity): NodeIdentity {
  const { keyPem, chainPem } = identity
  const { nodeId, clusterName, authServer, roles } = identity.profile as Partial<NodeProfile>
  if (![nodeId, clusterName, authServer].every((text) => typeof text === 'string') || !Array.isArray(roles)) {
    throw new Error(`${path.join(dataDir, IDENTITY_FILES.profile)} does not say which node this is`)
  }
  if (!new X509Certificate(chainPem).checkPrivateKey(createPrivateKey(keyPem))) {
    throw new Error(`${path.join(dataDir, IDENTITY_FILES.key)} is not the key of the certificate beside it`)
  }
  if (identity.profile.botName !== undefined) return identity
  // The profile is written last: after a crash before that it is the one of the former node.
  const { name } = parseSpiffeId(parseIdentity(dersFromPem(chainPem)[0]!).spiffeId) ?? {}
  return { ...identity, profile: { ...identity.profile, nodeId: name ?? identity.profile.nodeId } }
}

/** The node or bot as messages name it. */
export function describeMember({ nodeId, botName, roles }: NodeProfile): string {
  return botName === undefined ? `node ${nodeId} (${roles.join(', ')})` : `bot ${botName} (instance ${nodeId})`
}

/** A reply to a join or a renewal, and what it must match. */
export interface GrantReply {
  /** The key that the certificate was requested for. */
  keyPem: string
  grant: Grant
  /** The profile so far; the first grant names the cluster. */
  profile: Omit<NodeProfile, 'clusterName' | 'trustBundleVersion'> & {
    clusterName?: string
    trustBundleVersion?: number
  }
  /** Host roots that this node trusts already, PEM. */
  trustedRootsPem: string
}

/**
 * Stores an identity whole. A chain for the next key makes that key the current one. @throws FileError; then the folder
 * still holds the old identity
 */
export async function storeIdentity(dataDir: string, identity: NodeIdentity): Promise<void> {
  // The folder may have been emptied since, as by another disk mounted there.
  const key = path.join(dataDir, IDENTITY_FILES.key)
  if (!existsSync(key)) await createFileAtomic(key, identity.keyPem)
  await writeIdentity(dataDir, identity)
}

/**
 * Checks a grant before anything stores or uses it.
 * @throws NotTrustedError if the grant is not what this node asked for
 */
export function identityOf({ grant, profile, ...reply }: GrantReply): NodeIdentity {
  const { nodeId, botName, roles, clusterName } = profile
  if (roles.includes('bot') !== (botName !== undefined)) {
    throw new NotTrustedError('registration-service answered with an identity of another kind')
  }
  const member =
    botName === undefined ? { kind: 'node' as const, name: nodeId } : { kind: 'bot' as const, name: botName }
  const checked = checkGrant(() =>
    parseGrant(grant, { from: 'registration-service', ...member, clusterName, ...reply }),
  )
  const { trustBundle, chainPem, bundlePem, authorityNumber } = checked
  // A replica that lags behind may send an older bundle than this node has; a bundle never goes back.
  const held = profile.trustBundleVersion ?? 0
  const isOlder = trustBundle.version < held
  return {
    keyPem: reply.keyPem,
    chainPem,
    bundlePem: isOlder ? reply.trustedRootsPem : bundlePem,
    ...(!isOlder && trustBundle.userRootsDer.length > 0 && { userBundlePem: pemOf(trustBundle.userRootsDer) }),
    profile: {
      ...profile,
      clusterName: trustBundle.clusterName,
      trustBundleVersion: isOlder ? held : trustBundle.version,
      ...(botName !== undefined && authorityNumber > 1 && { authorityNumber }),
    },
  }
}

function checkGrant<T>(check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (error instanceof GrantError) throw new NotTrustedError(error.message, { cause: error })
    throw error
  }
}
