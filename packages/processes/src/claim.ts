import { randomUUID } from 'node:crypto'
import { link, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { findProcess, isRunning, type ProcessRef } from './process-ref.ts'

/** The right of this process to use a data directory, held until released or until this process ends. */
export interface Claim {
  /** True when the former owner was killed and had recorded no child, so that it may have left one unrecorded. */
  readonly leftoverUnknown: boolean
  /** The child that the former owner left running. */
  readonly leftover: ProcessRef | undefined
  /** Records a child, so that the next owner can end it if this one is killed. */
  setChild(pid: number): Promise<void>
  /** Gives the directory up. */
  release(): Promise<void>
}

interface Entry {
  owner: ProcessRef
  child?: ProcessRef | undefined
}

/** An entry with the inode of its file. A copied folder holds the entry under another inode, so the copy claims nothing. */
interface Written extends Entry {
  inode?: string
}

const NOBODY: ProcessRef = { pid: 0, startedAt: '' }

/** Processes that claim the same folder at the same moment finish within a few of these rounds. */
const ROUNDS = 50
const ROUND_MS = 10

/**
 * Claims a data directory by a small file beside it or in it. `what` names the directory in errors.
 * Takes over the claim of a process that has ended. Of several callers at once, exactly one succeeds.
 * @throws Error if a live process holds the claim, this process included
 */
export async function claim(file: string, what: string): Promise<Claim> {
  const owner = findProcess(process.pid)
  if (owner === undefined) throw new Error('Cannot read the process table, which is needed to guard data directories.')
  for (let round = 0; round < ROUNDS; round++) {
    const former = await readEntry(file)
    if (former !== undefined && isRunning(former.owner)) throw inUse(what, former.owner.pid)
    const leftover = former?.child !== undefined && isRunning(former.child) ? former.child : undefined
    const entry = { owner, child: leftover }
    if (former === undefined ? await createEntry(file, entry) : await takeOver(file, former, entry)) {
      return {
        leftoverUnknown: former !== undefined && former.child === undefined,
        leftover,
        setChild: (pid) => replaceEntry(file, { owner, child: findProcess(pid) }),
        release: () => rm(file, { force: true }),
      }
    }
    await delay(Math.random() * ROUND_MS)
  }
  throw new Error(`${what} is being claimed by several processes at once. Start it again.`)
}

/**
 * Replaces the entry of an owner that has ended. A guard file, which only one process can create, lets one process do
 * this at a time: otherwise a slow process could replace the fresh entry of a faster one.
 */
async function takeOver(file: string, former: Entry, entry: Entry): Promise<boolean> {
  const guard = `${file}.takeover`
  if (!(await createEntry(guard, entry))) {
    const guardian = await readEntry(guard)
    // The guardian was killed within the millisecond that a takeover takes.
    if (guardian !== undefined && !isRunning(guardian.owner)) await rm(guard, { force: true })
    return false
  }
  try {
    const current = await readEntry(file)
    if (current?.owner.pid !== former.owner.pid || current.owner.startedAt !== former.owner.startedAt) return false
    await replaceEntry(file, entry)
    return true
  } finally {
    await rm(guard, { force: true })
  }
}

/** The process that holds the claim of that file now, or undefined. */
export async function holderOf(file: string): Promise<number | undefined> {
  const entry = await readEntry(file)
  return entry !== undefined && isRunning(entry.owner) ? entry.owner.pid : undefined
}

/** The error for a data directory that a live process uses. */
export function inUse(what: string, pid: number): Error {
  return new Error(`${what} is in use by process ${pid}. Stop that one first, or choose another data directory.`)
}

/** Undefined when there is no entry. An entry that was copied here counts as one of an owner that has ended. */
async function readEntry(file: string): Promise<Entry | undefined> {
  try {
    const handle = await open(file)
    try {
      const { inode, ...entry } = JSON.parse(await handle.readFile('utf8')) as Written
      if (inode === undefined || inode === (await inodeOf(handle))) return entry
    } finally {
      await handle.close()
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Error(`Cannot read ${file}. If no other Muster runs there, delete that file.`, { cause: error })
  }
  return { owner: NOBODY }
}

async function createEntry(file: string, entry: Entry): Promise<boolean> {
  const draft = await writeDraft(file, entry)
  try {
    // link, not rename: it fails when the name is taken, and readers never see half an entry.
    await link(draft, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}

async function replaceEntry(file: string, entry: Entry): Promise<void> {
  await rename(await writeDraft(file, entry), file)
}

async function writeDraft(file: string, entry: Entry): Promise<string> {
  const draft = `${file}.${randomUUID()}`
  const handle = await open(draft, 'wx', 0o600)
  try {
    await handle.writeFile(JSON.stringify({ ...entry, inode: await inodeOf(handle) } satisfies Written))
  } finally {
    await handle.close()
  }
  return draft
}

async function inodeOf(handle: FileHandle): Promise<string> {
  return String((await handle.stat({ bigint: true })).ino)
}
