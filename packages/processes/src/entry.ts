import { createHash } from 'node:crypto'
import { readFile, readlink, stat } from 'node:fs/promises'
import path from 'node:path'
import { findProcess, isRunning, type ProcessRef } from './process-ref.ts'

/** Who holds a folder, as its claim tells it. */
export interface Entry {
  /** The process that holds the folder; undefined when it has ended. */
  readonly owner: ProcessRef | undefined
  /** The child that the owner recorded; undefined when it has ended. */
  readonly child: ProcessRef | undefined
  readonly hasChild: boolean
  /** The claim as it is on disk. Two claims differ in it. */
  readonly text: string
}

/**
 * The text of a claim: the owner, its child if there is one, and the folder. It is so short that file systems keep it in the
 * inode of the link. A copied folder has another inode number, so the copy of a claim claims nothing.
 */
export async function entryText(file: string, owner: ProcessRef, child: ProcessRef | undefined): Promise<string> {
  const parts = [refText(owner), ...(child === undefined ? [] : [refText(child)])]
  return [...parts, `folder ${await folderOf(file)}`].join(', ')
}

/** Reads the claim of that file; undefined if there is none. @throws Error of the file system */
export async function readEntry(file: string): Promise<Entry | undefined> {
  try {
    return await entryOf(await readlink(file), file)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    // Not a link: a file, as earlier versions wrote it.
    if (!isCode(error, 'EINVAL')) throw error
  }
  try {
    return await entryOfFile(file)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Whether the error of the file system has this code. */
export function isCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === code
}

async function entryOf(text: string, file: string): Promise<Entry> {
  const parts = text.split(', ')
  const isHere = parts.pop() === `folder ${await folderOf(file)}`
  const [owner, child] = isHere ? parts : []
  return { owner: find(owner), child: find(child), hasChild: child !== undefined, text }
}

/** A file that a power cut tore or emptied is of a process that has ended, because a power cut ends all. */
async function entryOfFile(file: string): Promise<Entry> {
  const text = await readFile(file, 'utf8')
  const { owner, child, inode } = parsed(text)
  const isHere = inode === undefined || inode === String((await stat(file, { bigint: true })).ino)
  const running = (ref: ProcessRef | undefined) => (isHere && ref !== undefined && isRunning(ref) ? ref : undefined)
  return { owner: running(owner), child: running(child), hasChild: isHere && child !== undefined, text }
}

function parsed(text: string): { owner?: ProcessRef; child?: ProcessRef; inode?: string } {
  try {
    return (JSON.parse(text) as object | null) ?? {}
  } catch {
    return {}
  }
}

function refText({ pid, startedAt }: ProcessRef): string {
  return startedAt === '' ? String(pid) : `${pid} ${digest(startedAt)}`
}

function find(text: string | undefined): ProcessRef | undefined {
  if (text === undefined) return undefined
  const [pid, started] = text.split(' ')
  const found = findProcess(Number(pid))
  const isSame = started === undefined || found?.startedAt === '' || digest(found?.startedAt ?? '') === started
  return isSame ? found : undefined
}

function digest(startedAt: string): string {
  return createHash('sha256').update(startedAt).digest('base64url').slice(0, 12)
}

async function folderOf(file: string): Promise<string> {
  const { dev, ino } = await stat(path.dirname(file), { bigint: true })
  return `${dev}-${ino}`
}
