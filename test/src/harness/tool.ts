import { execFile } from 'node:child_process'
import { WAIT_LIMIT_MS } from '@muster/testkit'

/** How a tool ended. */
export interface ToolResult {
  status: number
  stdout: string
  stderr: string
}

export interface ToolOptions {
  /** Its standard input, which is then closed. */
  input?: string
  /** In place of this process' environment. */
  env?: NodeJS.ProcessEnv
  cwd?: string
}

/** Runs a tool to its end, which must come within the limit of tests. The caller judges its status. */
export function runTool(program: string, args: readonly string[], options: ToolOptions = {}): Promise<ToolResult> {
  const { input = '', env = process.env, cwd } = options
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { timeout: WAIT_LIMIT_MS, env, cwd }, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') reject(error)
      else resolve({ status: (error?.code as number | undefined) ?? 0, stdout, stderr })
    })
    child.stdin!.on('error', () => {})
    child.stdin!.end(input)
  })
}
