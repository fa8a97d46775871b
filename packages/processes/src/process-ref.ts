import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

/** One run of one process. A process id alone does not suffice: a small container reuses ids within minutes. */
export interface ProcessRef {
  readonly pid: number
  /** An opaque text. Two runs with the same id differ in it. Empty on a machine that does not tell it: a Linux without /proc. */
  readonly startedAt: string
}

/** The process that has this id now, or undefined when there is none. A zombie counts as none. */
export function findProcess(pid: number): ProcessRef | undefined {
  const startedAt = process.platform === 'linux' ? startTimeFromProc(pid) : startTimeFromPs(pid)
  return startedAt === undefined ? undefined : { pid, startedAt }
}

/** Whether this run of the process has not ended. When its start time is unknown, any process with its id counts as it. */
export function isRunning(ref: ProcessRef): boolean {
  const found = findProcess(ref.pid)
  if (found === undefined) return false
  return found.startedAt === ref.startedAt || found.startedAt === '' || ref.startedAt === ''
}

/** The arguments of a running process, the program first. Empty when it has ended or its arguments cannot be read. */
export function commandLine(pid: number): string[] {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean)
    return ps(pid, 'command').split(/\s+/).filter(Boolean)
  } catch {
    return []
  }
}

function startTimeFromProc(pid: number): string | undefined {
  if (!existsSync('/proc/self/stat')) return exists(pid) ? '' : undefined
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold spaces; the state is the first field after it, the start time the twentieth.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${fields[19]}`
  } catch {
    return undefined
  }
}

function exists(pid: number): boolean {
  try {
    // Signal 0 is never delivered; the kernel only checks whether it could be. 0 and below name groups of processes.
    return pid > 0 && process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function startTimeFromPs(pid: number): string | undefined {
  try {
    return ps(pid, 'stat').startsWith('Z') ? undefined : ps(pid, 'lstart')
  } catch {
    return undefined
  }
}

function ps(pid: number, column: string): string {
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C' }
  return execFileSync('ps', ['-o', `${column}=`, '-p', String(pid)], { encoding: 'utf8', env, stdio: 'pipe' }).trim()
}
