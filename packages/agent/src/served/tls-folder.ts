import { randomBytes } from 'node:crypto'
import { chmod, chown, mkdir, readdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises'
import path from 'node:path'
import type { NodeIdentity } from '@muster/identity'
import { FileError, syncFolder, withFile, writeFileAtomic } from '@muster/runtime'

/** The link in the data directory that foreign servers read through. It always leads to a whole set of files. */
export const TLS_FOLDER = 'tls'
const VERSIONS = 'tls.d'

/** The files of the set. */
const FILES = {
  'key.pem': ({ keyPem }: NodeIdentity) => keyPem,
  'chain.pem': ({ chainPem }: NodeIdentity) => chainPem,
  /** Chain and key in one file, as HAProxy reads them. */
  'combined.pem': ({ chainPem, keyPem }: NodeIdentity) => chainPem + keyPem,
  'bundle.pem': ({ bundlePem }: NodeIdentity) => bundlePem,
  'user-bundle.pem': ({ userBundlePem }: NodeIdentity) => userBundlePem ?? '',
} as const

const isSecret = (name: string) => name === 'key.pem' || name === 'combined.pem'

/**
 * Copies an identity to where foreign servers read it. The whole set is written beside the one in use, then a link is switched:
 * a reader that follows the link sees the old set or the new one. The last set stays for readers that have begun. With a
 * group, its members may read all files, and pass through the data directory. Safe to repeat.
 * @returns false if that set was in place already
 * @throws FileError
 */
export async function publishIdentity(
  dataDir: string,
  identity: NodeIdentity,
  gid: number | undefined,
): Promise<boolean> {
  await openTo(dataDir, gid, 0o710)
  if (await isPublished(dataDir, identity)) return false
  const versions = path.join(dataDir, VERSIONS)
  const name = `${Date.now().toString(36)}-${randomBytes(3).toString('hex')}`
  const folder = path.join(versions, name)
  await withFile('create', folder, () => mkdir(folder, { recursive: true, mode: 0o700 }))
  await openTo(versions, gid, 0o710)
  for (const [file, content] of Object.entries(FILES)) {
    await writeFileAtomic(path.join(folder, file), content(identity), isSecret(file) ? 0o600 : 0o644)
    if (isSecret(file)) await openTo(path.join(folder, file), gid, 0o640)
  }
  await openTo(folder, gid, 0o750)
  const link = path.join(dataDir, TLS_FOLDER)
  const former = await readlink(link).catch(() => undefined)
  const fresh = `${folder}.link`
  await withFile('write', link, async () => {
    await symlink(path.join(VERSIONS, name), fresh)
    await rename(fresh, link)
  })
  await syncFolder(link)
  const kept = [name, former === undefined ? '' : path.basename(former)]
  for (const old of await readdir(versions)) {
    if (!kept.includes(old)) await rm(path.join(versions, old), { recursive: true, force: true })
  }
  return true
}

async function isPublished(dataDir: string, identity: NodeIdentity): Promise<boolean> {
  for (const [file, content] of Object.entries(FILES)) {
    const text = await readFile(path.join(dataDir, TLS_FOLDER, file), 'utf8').catch(() => undefined)
    if (text !== content(identity)) return false
  }
  return true
}

/** Gives a path to the group, with this mode; without a group it stays its owner's alone. */
async function openTo(file: string, gid: number | undefined, mode: number): Promise<void> {
  if (gid === undefined) return
  try {
    await chown(file, process.getuid!(), gid)
    await chmod(file, mode)
  } catch (error) {
    throw new FileError('write', file, error, `--identity-group`)
  }
}
