import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { runProgram } from '@muster/cli-kit/run'
import { type LocalClusterOptions, npmStart } from './options.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

async function run(...argv: string[]) {
  const ran = { stdout: '', stderr: '' }
  const started: LocalClusterOptions[] = []
  const program = npmStart(async (options) => void started.push(options))
  const status = await runProgram(program, argv, {
    stdout: { write: (text) => (ran.stdout += text) },
    stderr: { write: (text) => (ran.stderr += text) },
    env: {},
    cwd: '/home/ada',
  })
  return { status, started, ...ran }
}

describe('npm start', () => {
  test('npm start has defaults for all of its flags', async () => {
    const { status, started } = await run()
    expect(started).toEqual([
      { dataDir: '/home/ada/.muster', port: 3025, clusterName: 'muster.internal', withNode: true },
    ])
    expect(status).toBe(0)
  })

  test('npm start reads its flags', async () => {
    const { started } = await run('--data-dir=/x', '--port', '0', '--cluster-name=lab.example', '--no-node')
    expect(started).toEqual([{ dataDir: '/x', port: 0, clusterName: 'lab.example', withNode: false }])
  })

  test.each([
    [['--port=many'], '--port: "many" is not a number between 0 and 65535\n'],
    [['--port=65536'], '--port: "65536" is not a number between 0 and 65535\n'],
    [['--cluster-name=No Name'], '--cluster-name: '],
    [['--prt=1'], 'unknown flag: --prt; did you mean --port?\n'],
    [['0'], 'unknown argument: 0\nFlags go behind two dashes: npm start -- --port 0\n'],
  ])('npm start rejects %j with status 2', async (argv, message) => {
    const { status, started, stderr } = await run(...argv)
    expect(stderr).toContain(`npm start: ${message}`)
    expect(stderr).toContain("'npm start -- --help' shows how it is used.\n")
    expect({ status, started }).toEqual({ status: 2, started: [] })
  })
})

describe('npm start in a fresh checkout', () => {
  let checkout: string
  beforeAll(() => {
    checkout = mkdtempSync(path.join(os.tmpdir(), 'muster-checkout-'))
    for (const name of ['scripts', 'packages/local-cluster/help.txt', 'package.json']) {
      cpSync(path.join(root, name), path.join(checkout, name), { recursive: true })
    }
  })
  afterAll(() => {
    rmSync(checkout, { recursive: true })
  })

  const start = (...argv: string[]) =>
    spawnSync(process.execPath, [path.join(checkout, 'scripts', 'start.mjs'), ...argv], { encoding: 'utf8' })

  test('npm start in a fresh checkout prints its help without installing anything, and the help is that of the program', async () => {
    const { stdout } = await run('--help')
    // Made by: node packages/local-cluster/dist/main.js --help > packages/local-cluster/help.txt
    expect(readFileSync(path.join(root, 'packages/local-cluster/help.txt'), 'utf8')).toBe(stdout)
    for (const flag of ['--help', '-h']) expect(start(flag)).toMatchObject({ status: 0, stdout, stderr: '' })
  })

  test('npm start in a fresh checkout rejects an unknown flag without installing anything', () => {
    const stderr = "npm start: unknown flag: --prt\n'npm start -- --help' shows how it is used.\n"
    expect(start('--port=0', '--prt=1')).toMatchObject({ status: 2, stdout: '', stderr })
  })
})
