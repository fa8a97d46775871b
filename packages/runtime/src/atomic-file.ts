import { randomBytes } from 'node:crypto'
import { link, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { FileError, withFile } from './file-error.ts'

/**
 * Creates a folder, and those above it, unless it is there. Not by the recursion of mkdir, which never ends where the
 * kernel answers ENOENT for a folder that is there, as in /proc. @throws FileError
 */
export async function ensureFolder(folder: string, mode = 0o700): Promise<void> {
  try {
    await mkdir(folder, { mode })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await isFolder(folder))) return
    const above = path.dirname(folder)
    if (code !== 'ENOENT' || above === folder || (await isFolder(above))) throw new FileError('create', folder, error)
    await ensureFolder(above, mode)
    await ensureFolder(folder, mode)
  }
}

function isFolder(folder: string): Promise<boolean> {
  return stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

/**
 * Finds out whether a folder takes a file of that size, by writing one and deleting it: for what must be stored once it
 * has been asked for. @throws FileError
 */
export async function assertRoom(folder: string, bytes = 16 * 1024): Promise<void> {
  const file = path.join(folder, 'room')
  await withFile('write', file, async () => rm(await writeTemporary(file, Buffer.alloc(bytes), 0o600)))
}

/**
 * Creates a file atomically, unless one of that name exists. Of several concurrent callers, one wins.
 * @returns false if the file existed
 * @throws FileError
 */
export function createFileAtomic(file: string, content: string | Buffer, mode = 0o600): Promise<boolean> {
  return withFile('write', file, () => create(file, content, mode))
}

async function create(file: string, content: string | Buffer, mode: number): Promise<boolean> {
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
 * @throws FileError
 */
export async function writeFileAtomic(file: string, content: string | Buffer, mode = 0o600): Promise<void> {
  const temporary = await withFile('write', file, () => writeTemporary(file, content, mode))
  try {
    await replaceFileAtomic(file, temporary)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** Moves a file over another in the same folder, atomically and durably. @throws FileError */
export async function replaceFileAtomic(file: string, replacement: string): Promise<void> {
  await withFile('write', file, async () => {
    await rename(replacement, file)
    await syncFolder(file)
  })
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
