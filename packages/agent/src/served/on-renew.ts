import { spawn } from 'node:child_process'
import path from 'node:path'
import type { LineLog } from '@muster/runtime'
import { TLS_FOLDER } from './tls-folder.ts'

/** A reload that hangs must not pile up. */
const LIMIT_MS = 60_000

/**
 * Runs the command of --on-renew by the shell, with the folder of the files in MUSTER_TLS_DIR. A command that fails, or runs
 * longer than a minute, is a warning: the identity is in place, and the next renewal runs the command again.
 */
export async function runOnRenew(command: string, dataDir: string, log: LineLog): Promise<void> {
  const env = { ...process.env, MUSTER_TLS_DIR: path.join(dataDir, TLS_FOLDER) }
  // A secret of the agent's own environment is not for the command.
  for (const name of ['MUSTER_TOKEN', 'MUSTER_INVITATION']) delete (env as NodeJS.ProcessEnv)[name]
  const child = spawn('/bin/sh', ['-c', command], { env, stdio: ['ignore', 'ignore', 'pipe'], detached: true })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-500)))
  const timer = setTimeout(() => endGroup(child.pid), LIMIT_MS)
  const outcome = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (status, signal) => resolve(signal === null ? String(status) : `signal ${signal}`))
  })
  clearTimeout(timer)
  if (outcome === '0') log.info({ event: 'on-renew' }, 'ran the command of --on-renew')
  else
    log.warn(
      { event: 'on-renew' },
      `the command of --on-renew failed (${outcome}): ${said.trim() || 'it said nothing'}`,
    )
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}
