import { CliError, type Io } from '@muster/cli-kit'
import { randomBytes } from 'node:crypto'
import { lstat, readdir, readFile, realpath, rename, rm, symlink } from 'node:fs/promises'
import path from 'node:path'
import { parseClusterName, tokenIdOf } from '@muster/domain'
import { ensureFolder, syncFolder, withFile, writeFileAtomic } from '@muster/runtime'
import { ensureKey, type IdentityFolder, type OperatorProfile, writeIdentity } from '@muster/identity'

// With retries: a renewal of another program may be writing there.
const WHOLE = { recursive: true, force: true, maxRetries: 20, retryDelay: 10 } as const

/**
 * The identities of `musterctl login`, one per cluster, and the name of the current cluster:
 *
 *     clusters/<cluster>    a link to the identity folder in use
 *     identities/<cluster>  identity folders, usually one; the key in a folder is never replaced
 *     pending/...           keys of logins that have not succeeded yet
 *     current-cluster       a name
 *
 * A login creates a new folder and switches the link. Readers see the old identity or the new one, and a renewal that
 * started before the login writes into the old folder.
 */
export class IdentityStore {
  readonly #root: string

  /** @param root the folder, `~/.muster` */
  constructor(root: string) {
    this.#root = root
  }

  /** The path of the identity for a cluster, whether or not it exists. */
  folderOf(clusterName: string): string {
    return path.join(this.#root, 'clusters', clusterName)
  }

  /** True if there is an identity for the cluster. */
  async has(clusterName: string): Promise<boolean> {
    return (await this.clusters()).includes(clusterName)
  }

  /** The names of the clusters with an identity, sorted. */
  async clusters(): Promise<string[]> {
    const names = await ifThere(path.join(this.#root, 'clusters'), (folder) => readdir(folder))
    return (names ?? []).filter(isClusterName).sort()
  }

  /** The current cluster. Its identity may have been removed. */
  async current(): Promise<string | undefined> {
    const name = (await ifThere(this.#currentFile(), (file) => readFile(file, 'utf8')))?.trim()
    return name !== undefined && isClusterName(name) ? name : undefined
  }

  /** Makes a cluster the current one. */
  async use(clusterName: string): Promise<void> {
    await writeFileAtomic(this.#currentFile(), `${clusterName}\n`)
  }

  /** The private key, PEM, for a signup with this token. It stays the same until `keep`, so a lost reply can be repeated. */
  pendingKey(user: string, address: string, token: string, make: () => string): Promise<string> {
    return ensureKey(path.join(this.#pendingFolder(user, address), tokenIdOf(token) ?? 'custom'), make)
  }

  /** Deletes the keys of logins that did not complete. */
  async forgetPending(user: string, address: string): Promise<void> {
    await rm(this.#pendingFolder(user, address), WHOLE)
  }

  /** Stores an identity, in place of an earlier one for its cluster. @returns its folder */
  async keep({ keyPem, ...identity }: IdentityFolder<OperatorProfile>): Promise<string> {
    const { clusterName } = identity.profile
    const folder = await this.#newFolder(clusterName)
    await ensureKey(folder, () => keyPem)
    await writeIdentity(folder, identity)
    await syncFolder(folder)
    const former = await this.#target(clusterName)
    await this.#switchLink(clusterName, folder)
    if (former !== undefined) await rm(former, WHOLE)
    return this.folderOf(clusterName)
  }

  /** Deletes the identity for a cluster, key and all. */
  async remove(clusterName: string): Promise<void> {
    await rm(this.folderOf(clusterName), WHOLE)
    await rm(this.#identitiesOf(clusterName), WHOLE)
    if ((await this.current()) === clusterName) await rm(this.#currentFile(), { force: true })
  }

  #currentFile(): string {
    return path.join(this.#root, 'current-cluster')
  }

  #pendingFolder(user: string, address: string): string {
    return path.join(this.#root, 'pending', `${user}@${encodeURIComponent(address)}`)
  }

  #identitiesOf(clusterName: string): string {
    return path.join(this.#root, 'identities', clusterName)
  }

  async #newFolder(clusterName: string): Promise<string> {
    const folder = path.join(this.#identitiesOf(clusterName), randomBytes(6).toString('hex'))
    await ensureFolder(folder)
    return folder
  }

  /** The folder behind the link, if this store created it: users may have put links of their own there. */
  async #target(clusterName: string): Promise<string | undefined> {
    const target = await ifThere(this.folderOf(clusterName), (link) => realpath(link))
    const ours = await ifThere(this.#identitiesOf(clusterName), (folder) => realpath(folder))
    return target !== undefined && ours !== undefined && path.dirname(target) === ours ? target : undefined
  }

  async #switchLink(clusterName: string, folder: string): Promise<void> {
    const link = this.folderOf(clusterName)
    await ensureFolder(path.dirname(link))
    // Not beside the link, where it would look like a cluster.
    const fresh = `${folder}.link`
    await withFile('write', link, () => symlink(path.relative(path.dirname(link), folder), fresh))
    // A folder that a user put there by hand would block the rename.
    if ((await ifThere(link, (file) => lstat(file)))?.isDirectory()) await rm(link, WHOLE)
    await withFile('write', link, () => rename(fresh, link))
    await syncFolder(link)
  }
}

/** The store of the user who runs this program. @throws CliError if they have no home folder */
export function openStore({ env }: Pick<Io, 'env'>): IdentityStore {
  const home = homeOf(env)
  if (home !== undefined) return new IdentityStore(path.join(home, '.muster'))
  throw new CliError('there is no home folder to keep identities in', 'Set HOME to the folder that is yours.')
}

/** The home folder, if the environment names one. */
export function homeOf(env: Io['env']): string | undefined {
  return env.HOME || env.USERPROFILE || undefined
}

function isClusterName(name: string): boolean {
  try {
    return parseClusterName(name) === name
  } catch {
    return false
  }
}

/** @throws FileError */
async function ifThere<T>(file: string, find: (file: string) => Promise<T>): Promise<T | undefined> {
  try {
    return await withFile('read', file, () => find(file))
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}
