import { statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { messageOf } from '@muster/domain'

/** What a program wants of a path: to read a file, to write one, or to create a folder. */
export type FileUse = 'read' | 'write' | 'create'

/**
 * A path that could not be used. The message names it, says why, and what to do about it; it contains nothing of the
 * content. `code` is that of the error of node:fs, which is the cause.
 */
export class FileError extends Error {
  override readonly name = 'FileError'
  readonly code: string | undefined
  readonly use: FileUse
  readonly path: string

  /** @param source the flag or variable that names the file */
  constructor(use: FileUse, file: string, error: unknown, source?: string) {
    super(`${source === undefined ? '' : `${source}: `}${whyUnusable(use, file, error)}`, { cause: error })
    this.use = use
    this.path = file
    this.code = (error as NodeJS.ErrnoException | undefined)?.code
  }
}

/** Runs work on a file; errors of node:fs become a FileError. `source` is the flag or variable that names the file. */
export async function withFile<T>(use: FileUse, file: string, work: () => Promise<T>, source?: string): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw asFileError(use, file, error, source)
  }
}

/** The synchronous form of `withFile`. */
export function withFileSync<T>(use: FileUse, file: string, work: () => T, source?: string): T {
  try {
    return work()
  } catch (error) {
    throw asFileError(use, file, error, source)
  }
}

/** Whether there is such a path, as far as this user can tell: true for one in a folder that this user may not look into. */
export function mayExist(file: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    return ['EACCES', 'EPERM', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')
  }
}

function asFileError(use: FileUse, file: string, error: unknown, source: string | undefined): unknown {
  const isOfFileSystem = typeof (error as NodeJS.ErrnoException | undefined)?.syscall === 'string'
  return isOfFileSystem ? new FileError(use, file, error, source) : error
}

/** Explains why a file could not be read. The text contains its path, and none of its content. */
export function whyUnreadable(file: string, error: unknown): string {
  return whyUnusable('read', file, error)
}

/** Explains an error of node:fs: the path, the cause, and what to do if that is known. */
export function whyUnusable(use: FileUse, file: string, error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  const what = use === 'create' ? 'folder' : 'file'
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return use === 'read' ? `there is no file ${file}` : whyNoPlace(use, file, code)
    case 'EACCES':
    case 'EPERM':
      return `there is no permission to ${use} ${file}${ownerOf(file)}`
    case 'EISDIR':
      return use === 'read' ? `${file} is a folder` : `${file} is a folder, where a file must be; move it away`
    case 'EEXIST':
      return `${file} exists already, and is no ${what}; move it away`
    case 'ENOSPC':
      return `${cannot(use, file)}: the disk is full; free some space on the file system of ${folderOf(use, file)}`
    case 'EDQUOT':
      return `${cannot(use, file)}: the disk quota of this user is used up; free some space, or raise the quota`
    case 'EROFS':
      return `${cannot(use, file)}: its file system is read-only; mount it for writing, or choose another folder`
    case 'EIO':
      return `${cannot(use, file)}: the disk reports an error (EIO); check the disk`
    default:
      return `${cannot(use, file)}: ${code ?? messageOf(error)}`
  }
}

function cannot(use: FileUse, file: string): string {
  return `cannot ${use} ${file}`
}

function folderOf(use: FileUse, file: string): string {
  return use === 'create' ? nearest(file) : path.dirname(file)
}

/** A file cannot be written where there is no folder, or a file in its place. */
function whyNoPlace(use: FileUse, file: string, code: string): string {
  const found = nearest(file)
  if (code === 'ENOTDIR') return `${cannot(use, file)}: ${found} is not a folder`
  if (use === 'write' && found !== path.dirname(path.resolve(file))) {
    return `${cannot(use, file)}: the folder ${path.dirname(file)} is not there`
  }
  // Such as /proc, where nobody can create anything.
  return `${cannot(use, file)}: the file system of ${found} allows no new ${use === 'create' ? 'folders' : 'files'}`
}

/** The path itself, or the nearest folder or file above it that is there. */
function nearest(file: string): string {
  let at = path.resolve(file)
  while (statOf(at) === undefined && path.dirname(at) !== at) at = path.dirname(at)
  return at
}

/** Whose it is, and who asks: what is needed to choose between chown and another user. */
function ownerOf(file: string): string {
  const owner = statOf(nearest(file))?.uid
  const self = process.getuid?.()
  if (owner === undefined || self === undefined || owner === self) return ''
  return `; ${nearest(file)} belongs to user id ${owner}, and this is user ${userName()}: run it as its owner, or change the owner`
}

function userName(): string {
  try {
    return `${os.userInfo().username} (${process.getuid?.()})`
  } catch {
    return `id ${process.getuid?.()}`
  }
}

function statOf(file: string) {
  try {
    return statSync(file, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}
