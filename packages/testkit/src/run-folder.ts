import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { findProcess, isRunning, type ProcessRef } from '@muster/processes'

const PREFIX = 'muster-test-run-'
const OWNER_FILE = 'owner.json'

/** The folder that holds every temporary file of one test run. */
export interface RunFolder {
  path: string
  /** Removes it with its content, and restores this process's former folder for temporary files. */
  remove(): Promise<void>
}

/**
 * Makes the folder of a test run and has this process and its children put their temporary files there. The folder goes
 * however the run ends: a watcher removes it when this process is killed, and the next run removes what is still there.
 */
export async function openRunFolder(): Promise<RunFolder> {
  await removeFormerRuns()
  const formerTmpDir = process.env['TMPDIR']
  const folder = await mkdtemp(path.join(os.tmpdir(), PREFIX))
  await writeFile(path.join(folder, OWNER_FILE), JSON.stringify(findProcess(process.pid)))
  const stopWatcher = removeWhenThisProcessEnds(folder)
  process.env['TMPDIR'] = folder
  return {
    path: folder,
    async remove() {
      if (formerTmpDir === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = formerTmpDir
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
      stopWatcher()
    },
  }
}

/** Removes the folders of runs whose process is gone. What cannot be removed, such as another user's, stays. */
async function removeFormerRuns(): Promise<void> {
  const names = (await readdir(os.tmpdir())).filter((name) => name.startsWith(PREFIX))
  for (const folder of names.map((name) => path.join(os.tmpdir(), name))) {
    const owner = await ownerOf(folder)
    if (owner === undefined || isRunning(owner)) continue
    await rm(folder, { recursive: true, force: true }).catch(() => {})
  }
}

async function ownerOf(folder: string): Promise<ProcessRef | undefined> {
  const text = await readFile(path.join(folder, OWNER_FILE), 'utf8').catch(() => 'null')
  return (JSON.parse(text || 'null') as ProcessRef | null) ?? undefined
}

/**
 * A shell that waits for the end of this process, which closes its standard input, and then removes the folder. The
 * stores of a killed run end at about the same time and may still write: it tries for half a minute.
 */
function removeWhenThisProcessEnds(folder: string): () => void {
  const script = 'read -r _; for i in $(seq 30); do rm -rf -- "$1" && exit; sleep 1; done'
  const watcher = spawn('/bin/sh', ['-c', script, 'sh', folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // Without a shell, the next run cleans up.
  watcher.on('error', () => {})
  watcher.stdin.on('error', () => {})
  watcher.unref()
  ;(watcher.stdin as unknown as { unref?: () => void }).unref?.()
  return () => void watcher.kill('SIGKILL')
}
