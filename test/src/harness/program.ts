import { type ChildProcess, startChild, stopChild, type StopStep } from '@muster/embedded-stores'
import type { Lifecycle } from '@muster/runtime'
import { WAIT_LIMIT_MS } from '@muster/testkit'
import { waitFor } from './waiting.ts'

const STOP_STEPS: readonly StopStep[] = [
  ['SIGTERM', 15_000],
  ['SIGKILL', 5_000],
]

/** A Muster program as a process of its own, with its output. */
export interface Program {
  pid: number
  /** Lines of its standard output and standard error, as they came. */
  lines: string[]
  output(): string
  /** Waits for a line, and returns what the pattern matched. Fails at once when the program ends without it. */
  line(pattern: RegExp, limitMs?: number): Promise<RegExpExecArray>
  /** Waits for its end. @returns the exit status; null if a signal ended it */
  exit(limitMs?: number): Promise<number | null>
  hasExited(): boolean
  kill(signal: NodeJS.Signals): void
  /** Ends it with SIGTERM. @returns the exit status */
  stop(): Promise<number | null>
}

/** Starts a program: a script by this Node, any other file by itself. `life` ends it if it still runs. */
export function startProgram(
  life: Lifecycle,
  file: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Program {
  const lines: string[] = []
  const [program, ...first] = /\.[cm]?js$/.test(file) ? [process.execPath, file] : [file]
  const child: ChildProcess = startChild(program, [...first, ...args], {
    // This machine may have an agent of its own.
    env: { MUSTER_AGENT_CONFIG_FILE: '/dev/null', ...env },
    parentDeathSignal: 'TERM',
    log: (line) => lines.push(line),
  })
  life.own(file, child, (c) => stopChild(c, STOP_STEPS))
  const output = () => lines.join('\n')
  const quote = () => `; it said:\n${output()}`
  const exit = async (limitMs = WAIT_LIMIT_MS) => {
    await waitFor(`the end of the program`, () => child.hasExited(), { limitMs }).catch((error: Error) => {
      throw new Error(error.message + quote(), { cause: error })
    })
    return child.exitCode()
  }
  return {
    pid: child.pid!,
    lines,
    output,
    exit,
    hasExited: child.hasExited,
    kill: child.kill,
    async line(pattern, limitMs = WAIT_LIMIT_MS) {
      const find = () => lines.map((line) => pattern.exec(line)).find((match) => match !== null)
      await waitFor(`${pattern}`, () => find() !== undefined || child.hasExited(), { limitMs }).catch(
        (error: Error) => {
          throw new Error(error.message + quote(), { cause: error })
        },
      )
      const match = find()
      if (match === undefined) throw new Error(`the program ended without ${pattern}${quote()}`)
      return match
    },
    async stop() {
      await stopChild(child, STOP_STEPS)
      return child.exitCode()
    },
  }
}
