import { constants } from 'node:fs'
import { type FileHandle, lstat, open, readFile } from 'node:fs/promises'
import path from 'node:path'

/** The file of checksums that `npm run package` writes beside the packages. */
export const SUMS_FILE = 'SHA256SUMS'

/** A package and its checksum. */
export interface Checksum {
  name: string
  /** SHA-256 in hex. */
  sha256: string
}

/** A package in the folder. */
export interface FoundPackage {
  bytes: number
  /** SHA-256 in hex; undefined for the file of checksums itself. */
  sha256: string | undefined
}

/** A line of SHA256SUMS for a file that stands beside it; contexts of images are in folders. */
const LINE = /^(?<sha256>[0-9a-f]{64}) [ *](?<name>[A-Za-z0-9][A-Za-z0-9._~+-]*)$/

/** The packages that a folder offers: the files named in its SHA256SUMS, and no others. It is read again each time. */
export class PackageFolder {
  readonly #folder: string | undefined

  /** @param folder undefined or empty: there are no packages */
  constructor(folder: string | undefined) {
    this.#folder = folder === '' ? undefined : folder
  }

  /** The packages, in the order of the file; none if there is no folder or no file of checksums. */
  async checksums(): Promise<Checksum[]> {
    if (this.#folder === undefined) return []
    const text = await readFile(path.join(this.#folder, SUMS_FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return ''
      throw error
    })
    const found = text.split('\n').map((line) => LINE.exec(line)?.groups as unknown as Checksum | undefined)
    return found.filter((checksum) => checksum !== undefined)
  }

  /** What is known of a package. @returns undefined for any name that is not in SHA256SUMS, and for a missing file */
  async find(name: string): Promise<FoundPackage | undefined> {
    const listed = await this.#listed(name)
    const found = listed === undefined ? undefined : await lstat(listed.path).catch(() => undefined)
    return found?.isFile() === true ? { bytes: found.size, sha256: listed?.sha256 } : undefined
  }

  /** Opens a package for reading. @returns undefined as `find` does */
  async open(name: string): Promise<(FoundPackage & { file: FileHandle }) | undefined> {
    const listed = await this.#listed(name)
    if (listed === undefined) return undefined
    // A link could lead out of the folder.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW
    const file = await open(listed.path, flags).catch(() => undefined)
    if (file === undefined) return undefined
    const found = await file.stat()
    if (found.isFile()) return { file, bytes: found.size, sha256: listed.sha256 }
    await file.close()
    return undefined
  }

  async #listed(name: string): Promise<{ path: string; sha256: string | undefined } | undefined> {
    if (this.#folder === undefined) return undefined
    const listed = (await this.checksums()).find((checksum) => checksum.name === name)
    if (listed === undefined && name !== SUMS_FILE) return undefined
    return { path: path.join(this.#folder, name), sha256: listed?.sha256 }
  }
}
