import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { createFileAtomic, writeFileAtomic } from './atomic-file.ts'

/** The files of a member's identity. The key is written first and the profile last, so a folder with a profile is whole. */
export const IDENTITY_FILES = {
  key: 'key.pem',
  chain: 'chain.pem',
  bundle: 'bundle.pem',
  profile: 'profile.json',
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
  /** Where other machines reach registration-service. */
  publicAddress: string
  /** The name of a person who signed up. An identity of `ca-service issue-admin` has none: it is not renewed. */
  user?: string
  /** Until when that person's certificate can be renewed, ISO 8601. */
  sessionExpiresAt?: string
}

/**
 * The private key of a folder, PEM: the one that is there, or `make()`, kept 0600 in a folder that is made 0700. Several
 * that come at once all get the same.
 */
export async function ensureKey(folder: string, make: () => string): Promise<string> {
  const file = path.join(folder, IDENTITY_FILES.key)
  const kept = await readIfThere(file)
  if (kept !== undefined) return kept
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const made = make()
  return (await createFileAtomic(file, made)) ? made : readFile(file, 'utf8')
}

/** Everything but the key; each file is replaced as a whole, the profile last. */
export async function writeIdentity<P>(folder: string, identity: Omit<IdentityFolder<P>, 'keyPem'>): Promise<void> {
  const file = (name: keyof typeof IDENTITY_FILES) => path.join(folder, IDENTITY_FILES[name])
  await writeFileAtomic(file('bundle'), identity.bundlePem, 0o644)
  await writeFileAtomic(file('chain'), identity.chainPem, 0o644)
  await writeFileAtomic(file('profile'), `${JSON.stringify(identity.profile, null, 2)}\n`, 0o644)
}

/** The whole identity, or undefined if the folder has no profile yet. @throws Error that names a file that is missing or broken */
export async function readIdentity<P>(folder: string): Promise<IdentityFolder<P> | undefined> {
  const text = await readIfThere(path.join(folder, IDENTITY_FILES.profile))
  if (text === undefined) return undefined
  const read = (name: keyof typeof IDENTITY_FILES) => readFile(path.join(folder, IDENTITY_FILES[name]), 'utf8')
  try {
    const profile = JSON.parse(text) as P
    return { keyPem: await read('key'), chainPem: await read('chain'), bundlePem: await read('bundle'), profile }
  } catch (error) {
    throw new Error(`the identity in ${folder} is damaged: ${(error as Error).message}`, { cause: error })
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
