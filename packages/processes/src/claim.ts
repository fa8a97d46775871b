import { randomUUID } from 'node:crypto'
import { rename, rm, symlink } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { type Entry, entryText, isCode, readEntry } from './entry.ts'
import { findProcess, type ProcessRef } from './process-ref.ts'

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

/** Processes that claim the same folder at the same moment finish within a few of these rounds. */
const ROUNDS = 50
const ROUND_MS = 10

/** The claims of this process. Without /proc a claim of an earlier process with the same id looks like its own. */
const own = new Set<string>()

/**
 * Claims a data directory by a small link beside it or in it. `what` names the directory in errors.
 * Takes over the claim of a process that has ended, and one that is torn. Of several callers at once, exactly one succeeds.
 * A full disk does not prevent it: a link needs no room but its name.
 * @throws Error if a live process holds the claim, this process included; of the file system, if the folder cannot be written
 */
export async function claim(file: string, what: string): Promise<Claim> {
  const owner = findProcess(process.pid)
  if (owner === undefined) throw new Error(`${what} cannot be claimed: ${NO_PROCESS_TABLE}`)
  for (let round = 0; round < ROUNDS; round++) {
    const former = await readEntry(file)
    if (former !== undefined && isHeld(former, file)) throw inUse(what, former.owner!.pid, hint(former, file))
    const leftover = former?.child
    const text = await entryText(file, owner, leftover)
    if (former === undefined ? await createEntry(file, text) : await takeOver(file, former, text)) {
      own.add(file)
      return {
        leftoverUnknown: former !== undefined && !former.hasChild,
        leftover,
        setChild: async (pid) => replaceEntry(file, await entryText(file, owner, findProcess(pid))),
        release: () => {
          own.delete(file)
          return rm(file, { force: true })
        },
      }
    }
    await delay(Math.random() * ROUND_MS)
  }
  throw new Error(`${what} is being claimed by several processes at once. Start it again.`)
}

/**
 * Replaces the entry of an owner that has ended. A guard, which only one process can create, lets one process do this at a
 * time: otherwise a slow process could replace the fresh entry of a faster one.
 */
async function takeOver(file: string, former: Entry, text: string): Promise<boolean> {
  const guard = `${file}.takeover`
  if (!(await createEntry(guard, text))) {
    const guardian = await readEntry(guard)
    // The guardian was killed within the millisecond that a takeover takes.
    if (guardian !== undefined && guardian.owner === undefined) await rm(guard, { force: true })
    return false
  }
  try {
    if ((await readEntry(file))?.text !== former.text) return false
    await replaceEntry(file, text)
    return true
  } finally {
    await rm(guard, { force: true })
  }
}

/** The process that holds the claim of that file now, or undefined. */
export async function holderOf(file: string): Promise<number | undefined> {
  return (await readEntry(file))?.owner?.pid
}

/** The error for a data directory that a live process uses. */
export function inUse(what: string, pid: number, more = ''): Error {
  return new Error(`${what} is in use by process ${pid}. Stop that one first, or choose another data directory.${more}`)
}

/** Whether a live process holds the claim. */
function isHeld({ owner }: Entry, file: string): boolean {
  if (owner === undefined) return false
  return owner.startedAt !== '' || owner.pid !== process.pid || own.has(file)
}

const NO_PROCESS_TABLE = 'the start times of processes cannot be read; Muster needs the program ps, or /proc on Linux.'

function hint({ owner }: Entry, file: string): string {
  if (owner?.startedAt !== '') return ''
  return ` Without /proc another program with that process id looks the same: mount /proc, or, if that process is no Muster, delete ${file}.`
}

async function createEntry(file: string, text: string): Promise<boolean> {
  try {
    // symlink fails when the name is taken, and readers never see half an entry.
    await symlink(text, file)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
}

async function replaceEntry(file: string, text: string): Promise<void> {
  const draft = `${file}.${randomUUID()}`
  await symlink(text, draft)
  try {
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}
