import { randomUUID } from 'node:crypto'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { findProcess, isRunning, type ProcessRef } from './process-ref.ts'

/** The right of this process to run a store in a data directory, held until released or until this process ends. */
export interface Claim {
  /** True when the former owner was killed before it recorded a child, so that it may have left one unrecorded. */
  readonly leftoverUnknown: boolean
  /** The store's process that the former owner left running. */
  readonly leftover: ProcessRef | undefined
  /** Records the store's process, so that the next owner can end it should this one be killed. */
  setChild(pid: number): Promise<void>
  release(): Promise<void>
}

interface Entry {
  owner: ProcessRef
  child?: ProcessRef | undefined
}

/**
 * Claims a store's data directory by way of a small file beside or in it.
 * Fails when a live process holds it, this one included; a claim whose holder is gone is taken over.
 */
export async function claim(file: string, what: string): Promise<Claim> {
  const owner = findProcess(process.pid)
  if (owner === undefined) throw new Error('Cannot read the process table, which is needed to guard the stores.')
  // Two rounds are enough to replace a stale entry; more only if others do the same at the same moment.
  for (let round = 0; round < 5; round++) {
    const former = await readEntry(file)
    if (former !== undefined && isRunning(former.owner)) throw inUse(what, former.owner.pid)
    const leftover = former?.child !== undefined && isRunning(former.child) ? former.child : undefined
    if (former !== undefined) await rm(file, { force: true })
    if (await createEntry(file, { owner, child: leftover })) {
      return {
        leftoverUnknown: former !== undefined && former.child === undefined,
        leftover,
        setChild: (pid) => replaceEntry(file, { owner, child: findProcess(pid) }),
        release: () => rm(file, { force: true }),
      }
    }
  }
  throw new Error(`${what} is being started by several processes at once. Start it again.`)
}

/** The process that runs a Postgres in that data directory now, or undefined. */
export async function ownerOf(dataDir: string): Promise<number | undefined> {
  const entry = await readEntry(`${dataDir}.lock`)
  return entry !== undefined && isRunning(entry.owner) ? entry.owner.pid : undefined
}

/** The error for a data directory that a live process uses. */
export function inUse(what: string, pid: number): Error {
  return new Error(`${what} is in use by process ${pid}. Stop that one first, or choose another data directory.`)
}

async function readEntry(file: string): Promise<Entry | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Entry
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Error(`Cannot read ${file}. If no other Muster runs there, delete that file.`, { cause: error })
  }
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
  await writeFile(draft, JSON.stringify(entry), { mode: 0o600, flag: 'wx' })
  return draft
}
