import { createRequire } from 'node:module'
import path from 'node:path'
import { startChild, stopChild, type StopStep, until } from '@muster/embedded-stores'
import { openLog } from './rotating-log.ts'

/** A service as a process of its own. */
export interface ServiceProcess {
  /** HOST:PORT of its gRPC listener; empty for a service that serves no gRPC. */
  address: string
  /** HOST:PORT of /metrics, /healthz and /readyz. */
  diagnosticsAddress: string
  pid: number
  exited: Promise<void>
  hasExited(): boolean
  /** Null while it runs, and after a signal ended it. */
  exitCode(): number | null
  kill(signal: NodeJS.Signals): void
  /** Stops it in order, by force after a while. Safe to call again. */
  stop(): Promise<void>
}

/** How to start a service as a process. */
export interface ServiceProcessOptions {
  /** Package of the service, such as `token-service`. */
  program: string
  env: Record<string, string>
  /** The file to run; default the program in that package. */
  file?: string
  /** Its log is appended to this file. */
  logFile: string
  /** The process's limit on open files; default that of this process. */
  maxOpenFiles?: number | undefined
}

const START_LIMIT_MS = 60_000
const STOP_STEPS: readonly StopStep[] = [
  ['SIGTERM', 15_000],
  ['SIGKILL', 5_000],
]

/** Starts a service and resolves when it is ready. @throws Error with the last lines of its log */
export async function startService(options: ServiceProcessOptions): Promise<ServiceProcess> {
  const { program, file = programFile(program), env, logFile, maxOpenFiles } = options
  const log = openLog(logFile)
  let ready: { address: string; diagnosticsAddress: string } | undefined
  const [command, ...args] = limited([process.execPath, file], maxOpenFiles)
  const child = startChild(command, args, {
    env,
    parentDeathSignal: 'TERM',
    log: (line) => {
      log.write(line)
      ready ??= readyLine(line)
    },
  })
  void child.exited.then(() => log.end())
  const inTime = await until(() => child.hasExited() || ready !== undefined, { limitMs: START_LIMIT_MS })
  if (!inTime || ready === undefined) {
    await stopChild(child, STOP_STEPS)
    throw new Error(`${program} did not start. The last lines of its log (${logFile}):\n${child.lastLines()}`)
  }
  return {
    ...ready,
    pid: child.pid!,
    exited: child.exited,
    hasExited: child.hasExited,
    exitCode: child.exitCode,
    kill: child.kill,
    stop: () => stopChild(child, STOP_STEPS),
  }
}

/** The executable file of a program, by default in the package of that name. */
export function programFile(program: string, packageName = program): string {
  const manifest = createRequire(import.meta.url).resolve(`@muster/${packageName}/package.json`)
  return path.join(path.dirname(manifest), 'bin', `${program}.js`)
}

/** The same command under a limit on open files, which a shell sets before it becomes the program. */
function limited(command: [string, ...string[]], maxOpenFiles: number | undefined): [string, ...string[]] {
  if (maxOpenFiles === undefined) return command
  return ['/bin/sh', '-c', 'ulimit -n "$0" && exec "$@"', String(maxOpenFiles), ...command]
}

function readyLine(line: string): { address: string; diagnosticsAddress: string } | undefined {
  if (!line.includes('"service.ready"')) return undefined
  const { address = '', diagnosticsAddress } = JSON.parse(line) as { address?: string; diagnosticsAddress: string }
  return { address, diagnosticsAddress }
}
