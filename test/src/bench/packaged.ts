import { execFile } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { arch, build } from '../packages/build.ts'

/** The programs of a tarball, unpacked. */
export interface Packaged {
  /** Holds `muster` and its link `musterctl`. */
  folder: string
  /** The size of the executable. */
  bytes: number
  tarballBytes: number
}

/** Builds the tarball for this machine and unpacks it below `folder`. @returns undefined where that cannot be done */
export async function makePackaged(folder: string): Promise<Packaged | undefined> {
  if (arch === undefined) return undefined
  const out = path.join(folder, 'build')
  try {
    await build('tar', out)
  } catch (error) {
    if (!(error as Error).message.includes('npm could not fetch')) throw error
    return undefined
  }
  const name = (await readdir(out)).find((file) => file.endsWith('.tar.gz'))!
  await promisify(execFile)('tar', ['-xzf', path.join(out, name), '-C', folder])
  const unpacked = path.join(folder, name.slice(0, -'.tar.gz'.length))
  return {
    folder: unpacked,
    bytes: (await stat(path.join(unpacked, 'muster'))).size,
    tarballBytes: (await stat(path.join(out, name))).size,
  }
}
