import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { eventually } from './eventually.ts'

let base: string
const opened: ChildProcess[] = []

beforeAll(async () => {
  base = await mkdtemp(path.join(os.tmpdir(), 'muster-run-folder-'))
})
afterAll(async () => {
  for (const child of opened) child.kill('SIGKILL')
  await rm(base, { recursive: true, force: true })
})

/** A process that opens a run folder in `base` and keeps it until its standard input ends. */
async function openInOtherProcess() {
  const script = `const { openRunFolder } = await import(process.argv[1])
    const folder = await openRunFolder()
    console.log(folder.path)
    for await (const _ of process.stdin);
    await folder.remove()`
  const module = new URL('../dist/run-folder.js', import.meta.url).href
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script, module], {
    env: { ...process.env, TMPDIR: base },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  opened.push(owner)
  const [line] = (await owner.stdout.setEncoding('utf8').take(1).toArray()) as string[]
  return { owner, folder: line!.trim() }
}

describe('the folder of a test run', () => {
  test('the folder of a test run is removed when the run ends', async () => {
    const { owner, folder } = await openInOtherProcess()
    expect(existsSync(folder)).toBe(true)
    owner.stdin.end()
    await eventually('removed', () => !existsSync(folder))
  })

  test('the folder of a test run is removed with its content when the run is killed', async () => {
    const { owner, folder } = await openInOtherProcess()
    await mkdir(path.join(folder, 'deep'))
    await writeFile(path.join(folder, 'deep', 'file'), 'content')
    owner.kill('SIGKILL')
    await eventually('removed', () => !existsSync(folder))
  })

  test('the folder of a test run is removed by the next run when its own run left it behind, but not while its run continues', async () => {
    const running = await openInOtherProcess()
    const left = path.join(base, 'muster-test-run-left')
    await mkdir(left)
    await writeFile(path.join(left, 'owner.json'), JSON.stringify({ pid: process.pid, startedAt: 'another run' }))
    await openInOtherProcess()
    expect(existsSync(left)).toBe(false)
    expect(existsSync(running.folder)).toBe(true)
  })
})
