import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import {
  createFileAtomic,
  ensureFolder,
  FileError,
  replaceFileAtomic,
  withFile,
  writeFileAtomic,
} from '@muster/runtime'
import { checkFile } from './check-file.ts'

/** The files of a member's identity. The key is written first and the profile last: a folder with a profile is complete. */
export const IDENTITY_FILES = {
  key: 'key.pem',
  chain: 'chain.pem',
  bundle: 'bundle.pem',
  userBundle: 'user-bundle.pem',
  profile: 'profile.json',
  /** The key for the next certificate, of a member that changes its key at each renewal. */
  nextKey: 'next-key.pem',
  /** The key for an identity that will take the place of this one. */
  joinKey: 'join-key.pem',
  /** What earlier versions renamed the profile to, before they deleted an identity. */
  discarded: 'discarded.json',
} as const

/** The keys that an identity folder may hold. */
export type KeyName = 'key' | 'nextKey' | 'joinKey'

/** What an identity folder holds. */
export interface IdentityFolder<Profile> {
  /** PKCS#8, PEM. */
  keyPem: string
  /** Leaf first, then the issuing CA; PEM. */
  chainPem: string
  /** Host roots, PEM. */
  bundlePem: string
  /** User roots, PEM; absent from folders that earlier versions wrote. */
  userBundlePem?: string
  profile: Profile
}

/**
 * Returns a private key of the folder, PEM. If there is none yet, stores the result of `make()` with mode 0600, and
 * creates the folder with mode 0700. Concurrent callers all get the same key.
 */
export async function ensureKey(folder: string, make: () => string, name: KeyName = 'key'): Promise<string> {
  const file = fileOf(folder, name)
  const stored = await readIfPresent(file)
  // No certificate is for an empty key, so a new one may take its place.
  if (stored !== undefined && stored.trim() === '') await rm(file, { force: true })
  else if (stored !== undefined) return checkFile('key', file, stored)
  await ensureFolder(folder)
  const made = make()
  return (await createFileAtomic(file, made)) ? made : readFile(file, 'utf8')
}

/**
 * Writes everything except the key. Each file is replaced atomically, the profile last. If the chain is for one of the
 * other keys, that key replaces the current one right after the chain; `recoverIdentity` completes this after a crash.
 */
export async function writeIdentity<P>(folder: string, identity: Omit<IdentityFolder<P>, 'keyPem'>): Promise<void> {
  await writeFileAtomic(fileOf(folder, 'bundle'), identity.bundlePem, 0o644)
  if (identity.userBundlePem !== undefined) {
    await writeFileAtomic(fileOf(folder, 'userBundle'), identity.userBundlePem, 0o644)
  }
  await writeFileAtomic(fileOf(folder, 'chain'), identity.chainPem, 0o644)
  await switchKey(folder, identity.chainPem)
  await writeFileAtomic(fileOf(folder, 'profile'), `${JSON.stringify(identity.profile, null, 2)}\n`, 0o644)
}

/** Deletes the key of a join that did not end with an identity. */
export async function forgetJoinKey(folder: string): Promise<void> {
  await rm(fileOf(folder, 'joinKey'), { force: true })
}

/** Completes a key change, or a discard of an earlier version, that a crash interrupted. The owner of the folder calls this before it reads. */
export async function recoverIdentity(folder: string): Promise<void> {
  if ((await readIfPresent(fileOf(folder, 'discarded'))) !== undefined) await finishDiscard(folder)
  await orDamaged(folder, async () => {
    const chainPem = await readIfPresent(fileOf(folder, 'chain'))
    if (chainPem !== undefined) await switchKey(folder, chainPem)
  })
}

/** Reads the identity; undefined if the folder has no profile yet. @throws Error that names a missing or damaged file */
export async function readIdentity<P>(folder: string): Promise<IdentityFolder<P> | undefined> {
  const text = await readIfPresent(fileOf(folder, 'profile'))
  if (text === undefined) return undefined
  const read = async (name: 'key' | 'chain' | 'bundle') => {
    const file = fileOf(folder, name)
    return checkFile(name, file, await withFile('read', file, () => readFile(file, 'utf8')))
  }
  const userBundlePem = await readIfPresent(fileOf(folder, 'userBundle'))
  return orDamaged(folder, async () => {
    const profile = JSON.parse(checkFile('profile', fileOf(folder, 'profile'), text)) as P
    return {
      keyPem: await read('key'),
      chainPem: await read('chain'),
      bundlePem: await read('bundle'),
      ...(userBundlePem !== undefined && { userBundlePem }),
      profile,
    }
  })
}

async function switchKey(folder: string, chainPem: string): Promise<void> {
  // The key for the next certificate of a former identity is of no use to this one.
  if (await isKeyOf(folder, 'joinKey', chainPem)) {
    await rm(fileOf(folder, 'nextKey'), { force: true })
    await replaceFileAtomic(fileOf(folder, 'key'), fileOf(folder, 'joinKey'))
  } else if (await isKeyOf(folder, 'nextKey', chainPem)) {
    await replaceFileAtomic(fileOf(folder, 'key'), fileOf(folder, 'nextKey'))
  }
}

async function isKeyOf(folder: string, name: 'nextKey' | 'joinKey', chainPem: string): Promise<boolean> {
  const keyPem = await readIfPresent(fileOf(folder, name))
  if (keyPem === undefined) return false
  checkFile('key', fileOf(folder, name), keyPem)
  checkFile('chain', fileOf(folder, 'chain'), chainPem)
  return new X509Certificate(chainPem).checkPrivateKey(createPrivateKey(keyPem))
}

async function finishDiscard(folder: string): Promise<void> {
  for (const name of ['key', 'nextKey', 'chain', 'bundle', 'userBundle', 'discarded'] as const) {
    await rm(fileOf(folder, name), { force: true })
  }
}

/** Adds the folder to an error of `read`, unless the file is whole and this user may not read it. */
async function orDamaged<T>(folder: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof FileError && !['ENOENT', 'EISDIR'].includes(error.code ?? '')) throw error
    throw new Error(`the identity in ${folder} is damaged: ${(error as Error).message}`, { cause: error })
  }
}

function fileOf(folder: string, name: keyof typeof IDENTITY_FILES): string {
  return path.join(folder, IDENTITY_FILES[name])
}

async function readIfPresent(file: string): Promise<string | undefined> {
  try {
    return await withFile('read', file, () => readFile(file, 'utf8'))
  } catch (error) {
    if (error instanceof FileError && error.code === 'ENOENT') return undefined
    throw error
  }
}
