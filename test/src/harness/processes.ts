import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { commandLine as argumentsOf } from '@muster/processes'

/** A process that uses a folder. */
export interface FoundProcess {
  pid: number
  command: string
}

/**
 * The running processes whose command line, environment or working directory names the folder: services, agents and
 * stores of the cluster in it, however they were started. Linux only; elsewhere none are found.
 */
export function processesOf(folder: string): FoundProcess[] {
  if (process.platform !== 'linux') return []
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  return pids.flatMap((pid) => {
    const command = read(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ')
    const traces = [
      command,
      read(() => readFileSync(`/proc/${pid}/environ`, 'utf8')),
      read(() => readlinkSync(`/proc/${pid}/cwd`)),
    ]
    return isRunning(Number(pid)) && traces.some((trace) => trace.includes(folder))
      ? [{ pid: Number(pid), command: command.trim() }]
      : []
  })
}

/** True while the process runs; one that has ended and waits to be reaped does not. */
export function isRunning(pid: number): boolean {
  if (process.platform === 'linux') {
    const stat = read(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
    return stat !== '' && !/\) [ZX] /.test(stat)
  }
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** The arguments of a process as every user of the machine can read them. */
export function commandLine(pid: number): string {
  return argumentsOf(pid).join(' ')
}

function read(look: () => string): string {
  try {
    return look()
  } catch {
    // It has ended in the meantime.
    return ''
  }
}
