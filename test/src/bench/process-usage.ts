import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** The resources that one process has used so far. */
export interface ProcessUsage {
  pid: number
  parent: number
  /** User and system time of all its threads and of its children that have ended, in milliseconds. */
  cpuMs: number
  rssBytes: number
}

/** Every process of this machine: from /proc on Linux (in steps of 10 ms), elsewhere from `ps`, which leaves out ended children. */
export function readProcesses(): Map<number, ProcessUsage> {
  const found = process.platform === 'linux' ? fromProc() : fromPs()
  return new Map(found.map((usage) => [usage.pid, usage]))
}

/** One process without its children; cheap enough to ask often. @throws Error if there is no such process */
export function usageOf(pid: number): ProcessUsage {
  const usage =
    process.platform === 'linux'
      ? parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'), clock())
      : readProcesses().get(pid)
  if (usage === undefined) throw new Error(`process ${pid} has ended`)
  return usage
}

/** A process and all below it. */
export function withDescendants(root: number, processes: ReadonlyMap<number, ProcessUsage>): ProcessUsage[] {
  const own = processes.get(root)
  const children = [...processes.values()].filter(({ parent }) => parent === root)
  return [...(own === undefined ? [] : [own]), ...children.flatMap(({ pid }) => withDescendants(pid, processes))]
}

/** Resident memory of one process in bytes. @throws Error if there is no such process */
export function rssOf(pid: number): number {
  const usage = readProcesses().get(pid)
  if (usage === undefined) throw new Error(`process ${pid} has ended`)
  return usage.rssBytes
}

function fromProc(): ProcessUsage[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.flatMap((pid) => {
    try {
      return [parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'), clock())]
    } catch {
      return [] // ended since the folder was read
    }
  })
}

/** Reads a line of /proc/PID/stat (proc(5)). The name in parentheses may hold anything, parentheses too. */
export function parseStat(line: string, { tickMs, pageBytes }: { tickMs: number; pageBytes: number }): ProcessUsage {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const [utime, stime, cutime, cstime] = fields.slice(11, 15).map(Number) as [number, number, number, number]
  return {
    pid: Number.parseInt(line, 10),
    parent: Number(fields[1]),
    cpuMs: (utime + stime + cutime + cstime) * tickMs,
    rssBytes: Number(fields[21]) * pageBytes,
  }
}

let clockFacts: { tickMs: number; pageBytes: number } | undefined
function clock(): { tickMs: number; pageBytes: number } {
  const getconf = (name: string) => Number(execFileSync('getconf', [name], { encoding: 'utf8' }))
  clockFacts ??= { tickMs: 1000 / getconf('CLK_TCK'), pageBytes: getconf('PAGESIZE') }
  return clockFacts
}

function fromPs(): ProcessUsage[] {
  const output = execFileSync('ps', ['-axo', 'pid=,ppid=,rss=,time='], {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
  })
  return output.trim().split('\n').map(parsePsLine)
}

/** Reads `pid ppid rss(KiB) [[dd-]hh:]mm:ss[.cc]`, as `ps` writes it on macOS and BSD. */
export function parsePsLine(line: string): ProcessUsage {
  const [pid, parent, rssKib, time = ''] = line.trim().split(/\s+/)
  const [days, clockText] = time.includes('-') ? (time.split('-') as [string, string]) : ['0', time]
  const seconds = clockText.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
  return {
    pid: Number(pid),
    parent: Number(parent),
    cpuMs: (Number(days) * 86_400 + seconds) * 1000,
    rssBytes: Number(rssKib) * 1024,
  }
}
