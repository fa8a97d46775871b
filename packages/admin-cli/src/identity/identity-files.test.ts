import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { testCluster } from '@muster/testkit'
import { main } from '../cli.ts'

const cluster = testCluster()
const NAME = 'muster.internal'
let root: string
let home: string
let number = 0

beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'musterctl-files-'))
})
beforeEach(async () => {
  home = path.join(root, String(++number))
  const folder = path.join(home, '.muster/clusters', NAME)
  await mkdir(folder, { recursive: true })
  const { keyPem, chainPem } = cluster.member({ kind: 'user', name: 'ada' }).own
  const addresses = { registration: '127.0.0.1:1', token: '127.0.0.1:1', ca: '127.0.0.1:1' }
  const profile = JSON.stringify({ clusterName: NAME, publicAddress: '127.0.0.1:1', addresses })
  const files = {
    'key.pem': keyPem,
    'chain.pem': chainPem,
    'bundle.pem': cluster.hostRootsPem,
    'profile.json': profile,
  }
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text, { mode: 0o600 })
  await writeFile(path.join(home, '.muster/current-cluster'), `${NAME}\n`)
})
afterAll(async () => {
  await rm(root, { recursive: true })
})

async function whoami() {
  let text = ''
  const output = { write: (written: string) => (text += written) }
  const status = await main(['whoami'], { stdout: output, stderr: output, env: { HOME: home }, cwd: root })
  return { status, text }
}

const STATES: Record<string, (file: string) => Promise<unknown>> = {
  'a folder': async (file) => {
    await rm(file)
    await mkdir(file)
  },
  empty: (file) => writeFile(file, ''),
  garbage: (file) => writeFile(file, 'garbage-canary'),
}

describe('the identity of a person', () => {
  test('the identity of a person that is whole is read', async () => {
    expect(await whoami()).toMatchObject({ status: 0 })
  })

  test.each(
    ['key.pem', 'chain.pem', 'bundle.pem', 'profile.json'].flatMap((name) =>
      Object.keys(STATES).map((state) => [name, state] as const),
    ),
  )('%s of a person that is %s ends a command with its path and the cause', async (name, state) => {
    const file = path.join(home, '.muster/clusters', NAME, name)
    await STATES[state]!(file)
    const { status, text } = await whoami()
    expect(status).toBe(1)
    expect(text).toContain(file)
    expect(text).toMatch(/is empty|holds no|is a folder/)
    expect(text).not.toMatch(/\bE[A-Z]{4,}\b|TypeError|undefined|canary/)
    // It names a command that works for a person who logged in.
    expect(name === 'profile.json' || text.includes("'musterctl users reset YOUR-NAME'")).toBe(true)
  })

  test('a folder in place of current-cluster ends a command with its path and the cause', async () => {
    await STATES['a folder']!(path.join(home, '.muster/current-cluster'))
    expect(await whoami()).toEqual({
      status: 1,
      text: `musterctl: ${home}/.muster/current-cluster is a folder\n`,
    })
  })
})
