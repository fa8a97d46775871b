import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { CliError } from '@muster/cli-kit'

const LIMIT_MS = 60_000

/** True if systemd manages the services of this machine (sd_booted(3)). */
export function isSystemdRunning(): boolean {
  return existsSync('/run/systemd/system')
}

/** Runs systemctl. @throws CliError with what it said, if it fails */
export function systemctl(...args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('systemctl', ['--no-ask-password', ...args], { timeout: LIMIT_MS }, (error, _stdout, stderr) =>
      error === null ? resolve() : reject(failed(args, stderr.trim() || error.message, error)),
    )
  })
}

function failed(args: readonly string[], said: string, error: Error): CliError {
  return new CliError(`systemctl ${args.join(' ')} failed: ${said}`, undefined, error)
}
