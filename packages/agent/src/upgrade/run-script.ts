import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { CliError, type Io } from '@muster/cli-kit'

/** Runs the install script with these flags, and passes on what it prints. @throws CliError if it fails */
export async function runInstallScript(script: string, flags: readonly string[], io: Io): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'muster-upgrade-'))
  try {
    const file = path.join(folder, 'install.sh')
    await writeFile(file, script, { mode: 0o600 })
    const status = await run(file, flags, io)
    if (status !== 0) throw new CliError(`the install script failed with status ${status}; this version goes on`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function run(file: string, flags: readonly string[], io: Io): Promise<number | string> {
  return new Promise((resolve, reject) => {
    const shell = spawn('sh', [file, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] })
    shell.stdout.on('data', (chunk: Buffer) => io.stdout.write(chunk.toString()))
    shell.stderr.on('data', (chunk: Buffer) => io.stderr.write(chunk.toString()))
    shell.once('error', (error) => reject(new CliError(`sh cannot be run: ${error.message}`, undefined, error)))
    shell.once('close', (status, signal) => resolve(status ?? signal ?? 1))
  })
}
