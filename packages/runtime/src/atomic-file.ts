import { randomBytes } from 'node:crypto'
import { link, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'

/**
 * Creates a file atomically, unless one of that name exists. Of several concurrent callers, one wins.
 * @returns false if the file existed
 */
export async function createFileAtomic(file: string, content: string | Buffer, mode = 0o600): Promise<boolean> {
  const temporary = await writeTemporary(file, content, mode)
  try {
    await link(temporary, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(temporary, { force: true })
  }
  await syncFolder(file)
  return true
}

/**
 * Replaces a file atomically: after a crash at any point it has the old content or the new, never a mixture. Writes a
 * temporary file in the same folder, then fsync, rename, fsync of the folder. Sets `mode` before it writes.
 */
export async function writeFileAtomic(file: string, content: string | Buffer, mode = 0o600): Promise<void> {
  const temporary = await writeTemporary(file, content, mode)
  try {
    await replaceFileAtomic(file, temporary)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** Moves a file over another in the same folder, atomically and durably. */
export async function replaceFileAtomic(file: string, replacement: string): Promise<void> {
  await rename(replacement, file)
  await syncFolder(file)
}

async function writeTemporary(file: string, content: string | Buffer, mode: number): Promise<string> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const handle = await open(temporary, 'wx', mode)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  return temporary
}

/** Makes the name of a file durable, with an fsync of its folder. */
export async function syncFolder(file: string): Promise<void> {
  const folder = await open(path.dirname(file), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
