import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { createFileAtomic, replaceFileAtomic, writeFileAtomic } from '@muster/runtime'

/** The files of a member's identity. The key is written first and the profile last, so a folder with a profile is whole. */
export const IDENTITY_FILES = {
  key: 'key.pem',
  chain: 'chain.pem',
  bundle: 'bundle.pem',
  profile: 'profile.json',
  /** The key that the next certificate is asked for, of a member that takes a new one each time. */
  nextKey: 'next-key.pem',
  /** Stands in for the profile while an identity is being discarded. */
  discarded: 'discarded.json',
} as const

export interface IdentityFolder<Profile> {
  /** PKCS#8, PEM. */
  keyPem: string
  /** Leaf first, then the issuing CA; PEM. */
  chainPem: string
  /** Host roots, PEM. */
  bundlePem: string
  profile: Profile
}

/** What an operator's folder says of the cluster. */
export interface OperatorProfile {
  clusterName: string
  caPins: string[]
  addresses: { registration: string; token: string; ca: string }
  /** Where other machines reach registration-service: for what is printed to be used there. */
  publicAddress: string
  /** The name of a person who signed up. An identity of `ca-service issue-admin` has none: it is not renewed. */
  user?: string
  /** Until when that person's certificate can be renewed, ISO 8601. */
  sessionExpiresAt?: string
}

/**
 * A private key of a folder, PEM: the one that is there, or `make()`, kept 0600 in a folder that is made 0700. Several
 * that come at once all get the same.
 */
export async function ensureKey(folder: string, make: () => string, name: 'key' | 'nextKey' = 'key'): Promise<string> {
  const file = fileOf(folder, name)
  const kept = await readIfThere(file)
  if (kept !== undefined) return kept
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const made = make()
  return (await createFileAtomic(file, made)) ? made : readFile(file, 'utf8')
}

/**
 * Everything but the key; each file is replaced as a whole, the profile last. If the chain is for the next key, that one
 * becomes the key, right after the chain was replaced; `recoverIdentity` finishes this after a crash.
 */
export async function writeIdentity<P>(folder: string, identity: Omit<IdentityFolder<P>, 'keyPem'>): Promise<void> {
  await writeFileAtomic(fileOf(folder, 'bundle'), identity.bundlePem, 0o644)
  await writeFileAtomic(fileOf(folder, 'chain'), identity.chainPem, 0o644)
  await switchKey(folder, identity.chainPem)
  await writeFileAtomic(fileOf(folder, 'profile'), `${JSON.stringify(identity.profile, null, 2)}\n`, 0o644)
}

/** Forgets the identity and its keys, so that the next one begins with a key of its own. A crash leaves all or nothing of it. */
export async function discardIdentity(folder: string): Promise<void> {
  await replaceFileAtomic(fileOf(folder, 'discarded'), fileOf(folder, 'profile'))
  await finishDiscard(folder)
}

/** Finishes what a crash has interrupted: a change of keys, or a discard. For the owner of the folder, before it reads. */
export async function recoverIdentity(folder: string): Promise<void> {
  if ((await readIfThere(fileOf(folder, 'discarded'))) !== undefined) await finishDiscard(folder)
  const chainPem = await readIfThere(fileOf(folder, 'chain'))
  if (chainPem !== undefined) await naming(folder, () => switchKey(folder, chainPem))
}

/** The whole identity, or undefined if the folder has no profile yet. @throws Error that names a file that is missing or broken */
export async function readIdentity<P>(folder: string): Promise<IdentityFolder<P> | undefined> {
  const text = await readIfThere(fileOf(folder, 'profile'))
  if (text === undefined) return undefined
  const read = (name: keyof typeof IDENTITY_FILES) => readFile(fileOf(folder, name), 'utf8')
  return naming(folder, async () => {
    const profile = JSON.parse(text) as P
    return { keyPem: await read('key'), chainPem: await read('chain'), bundlePem: await read('bundle'), profile }
  })
}

async function switchKey(folder: string, chainPem: string): Promise<void> {
  const nextKeyPem = await readIfThere(fileOf(folder, 'nextKey'))
  if (nextKeyPem === undefined) return
  if (!new X509Certificate(chainPem).checkPrivateKey(createPrivateKey(nextKeyPem))) return
  await replaceFileAtomic(fileOf(folder, 'key'), fileOf(folder, 'nextKey'))
}

async function finishDiscard(folder: string): Promise<void> {
  for (const name of ['key', 'nextKey', 'chain', 'bundle', 'discarded'] as const) {
    await rm(fileOf(folder, name), { force: true })
  }
}

async function naming<T>(folder: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw new Error(`the identity in ${folder} is damaged: ${(error as Error).message}`, { cause: error })
  }
}

function fileOf(folder: string, name: keyof typeof IDENTITY_FILES): string {
  return path.join(folder, IDENTITY_FILES[name])
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
