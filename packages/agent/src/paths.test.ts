import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { formatInvitation } from '@muster/domain'
import { testWith, testWithRoot } from '@muster/testkit/tools'
import { main } from './cli.ts'
import { NODE_TOKEN, startTestRegistration, type TestRegistration } from '../test/support/registration.ts'

const NOBODY = 65534
const MUSTER = new URL('../bin/muster.js', import.meta.url).pathname
const env = { MUSTER_AGENT_CONFIG_FILE: '/dev/null' }

let root: string
let folder: string
let server: TestRegistration
let number = 0
const mounts: string[] = []

beforeAll(async () => {
  // Not in the folder of this run, which other users cannot enter.
  root = mkdtempSync('/tmp/muster-paths-')
  chmodSync(root, 0o755)
  server = await startTestRegistration()
})
beforeEach(() => {
  folder = path.join(root, String(++number))
  mkdirSync(folder, { mode: 0o755 })
})
afterEach(() => {
  for (const mounted of mounts.splice(0)) execFileSync('umount', [mounted])
})
afterAll(async () => {
  await server.close()
  rmSync(root, { recursive: true })
})

interface Ran {
  status: number | null
  text: string
}

async function run(argv: readonly string[]): Promise<Ran> {
  let text = ''
  const output = { write: (written: string) => (text += written) }
  const io = { stdout: output, stderr: output, env, cwd: folder, signal: new AbortController().signal }
  return { status: await main(argv, io), text }
}

/** Runs `muster` as a user who owns nothing. */
function runAsNobody(argv: readonly string[]): Ran {
  const options = { uid: NOBODY, gid: NOBODY, env: { PATH: process.env['PATH'], ...env }, encoding: 'utf8' } as const
  const { status, stdout, stderr } = spawnSync(process.execPath, [MUSTER, ...argv], { ...options, cwd: '/' })
  return { status, text: stdout + stderr }
}

/** What no person should read: codes of the system, faults of the program, words of a library. */
const RAW = /\bE[A-Z]{4,}\b|TypeError|undefined|node:|error:[0-9A-F]|Invalid|\bat .*\.[jt]s/

function expectExplained({ status, text }: Ran, ...parts: string[]): void {
  expect(text).not.toMatch(RAW)
  for (const part of parts) expect(text).toContain(part)
  expect([1, 2]).toContain(status)
}

/** A joined data directory. */
async function joined(): Promise<string> {
  const dataDir = path.join(folder, 'data')
  const text = formatInvitation({ address: server.address, token: NODE_TOKEN, caPins: [server.pin], roles: ['node'] })
  expect(await run(['start', `--data-dir=${dataDir}`, '--oneshot', text])).toMatchObject({ status: 0 })
  return dataDir
}

const STATES = {
  absent: (file: string) => rmSync(file, { force: true }),
  'a folder': (file: string) => {
    rmSync(file, { force: true })
    mkdirSync(file)
  },
  empty: (file: string) => writeFileSync(file, ''),
  'of zeros': (file: string) => writeFileSync(file, Buffer.alloc(100)),
  garbage: (file: string) => writeFileSync(file, 'garbage-canary'),
}
type State = keyof typeof STATES

const CAUSES: Record<State, string> = {
  absent: 'there is no file',
  'a folder': 'is a folder',
  empty: 'is empty',
  'of zeros': 'is empty',
  garbage: 'holds no',
}

describe('a file of the identity', () => {
  test.each(
    ['key.pem', 'chain.pem', 'bundle.pem', 'profile.json'].flatMap((name) =>
      (Object.keys(STATES) as State[])
        .filter((state) => name !== 'profile.json' || state !== 'absent')
        .map((state) => [name, state] as const),
    ),
  )('%s that is %s ends the start with its path, the cause and what to do', async (name, state) => {
    const dataDir = await joined()
    const file = path.join(dataDir, name)
    STATES[state](file)
    const ran = await run(['start', `--data-dir=${dataDir}`, '--oneshot'])
    expectExplained(ran, file, CAUSES[state], ...(file.endsWith('.json') && state === 'a folder' ? [] : ['delete']))
    expect(ran.text).not.toContain('canary')
  })

  test.each([
    ['{"nodeId": 7}', 'does not say which node this is'],
    ['[]', 'holds no JSON object'],
    ['{"nodeId":', 'holds no JSON object'],
  ])('profile.json with %s ends the start with its path and what to do', async (content, cause) => {
    const dataDir = await joined()
    writeFileSync(path.join(dataDir, 'profile.json'), content)
    expectExplained(await run(['start', `--data-dir=${dataDir}`]), `${dataDir}/profile.json`, cause, 'join again')
  })

  test('a key that is not the key of the certificate beside it ends the start', async () => {
    const [dataDir, other] = [await joined(), path.join(folder, 'other')]
    cpSync(dataDir, other, { recursive: true })
    rmSync(dataDir, { recursive: true })
    cpSync(path.join(other, 'key.pem'), path.join(await joined(), 'key.pem'))
    expectExplained(
      await run(['start', `--data-dir=${dataDir}`]),
      `${dataDir}/key.pem is not the key of the certificate beside it; restore it from a backup, or delete`,
    )
  })

  test('an empty key of a folder without an identity is replaced by the join', async () => {
    mkdirSync(path.join(folder, 'data'))
    writeFileSync(path.join(folder, 'data/key.pem'), '')
    expect(await joined()).toBe(path.join(folder, 'data'))
  })

  test.each(['status', 'check'])('%s explains a damaged identity too', async (command) => {
    const dataDir = await joined()
    writeFileSync(path.join(dataDir, 'chain.pem'), '')
    expectExplained(await run([command, `--data-dir=${dataDir}`]), `${dataDir}/chain.pem is empty`)
  })
})

describe('a file that is given', () => {
  const inputs: [string, (file: string) => string[]][] = [
    ['--token', (file) => ['start', `--token=${file}`]],
    ['invitation', (file) => ['start', file]],
    ['--config', (file) => ['start', `--config=${file}`]],
    ['join_params.token_name', (file) => configured(`join_params: { token_name: ${file} }`)],
    ['ca_pin', (file) => configured(`ca_pin: ${file}`)],
  ]
  const configured = (line: string) => {
    const config = path.join(folder, 'config.yaml')
    writeFileSync(config, `version: v1\nmuster:\n  auth_server: 127.0.0.1:1\n  ${line}\n`, { mode: 0o644 })
    return ['start', `--config=${config}`]
  }

  test.each(
    inputs.flatMap(([name, argv]) => (Object.keys(STATES) as State[]).map((state) => [name, state, argv] as const)),
  )('a file of %s that is %s ends the start with its name and the cause', async (name, state, argv) => {
    const file = path.join(folder, 'given')
    STATES[state](file)
    const ran = await run([...argv(file), `--data-dir=${folder}/data`, '--join-timeout=1s'])
    // A token may be any text, and a configuration may be empty.
    const isFine = (name.includes('token') && state === 'garbage') || (name === '--config' && state === 'empty')
    const named = name === '--config' && state !== 'absent' && state !== 'a folder' ? file : name
    expectExplained(ran, isFine ? 'needs' : named)
    // A pin is no secret.
    expect(name !== 'ca_pin' && ran.text.includes('canary')).toBe(false)
  })

  testWithRoot.each(inputs)('a file of %s that belongs to another user names both users', (name, argv) => {
    const file = path.join(folder, 'given')
    writeFileSync(file, 'x', { mode: 0o600 })
    chmodSync(folder, 0o777)
    const ran = runAsNobody([...argv(file), `--data-dir=${folder}/data`])
    expectExplained(ran, name, `there is no permission to read ${file}`, 'belongs to user id 0, and this is user')
  })
})

describe('a data directory', () => {
  const oneshot = (dataDir: string) => {
    const text = formatInvitation({ address: server.address, token: NODE_TOKEN, caPins: [server.pin], roles: ['node'] })
    return ['start', `--data-dir=${dataDir}`, '--oneshot', '--join-timeout=1s', text]
  }

  test('a data directory that is a file, or below one, is refused', async () => {
    const file = path.join(folder, 'file')
    writeFileSync(file, '')
    expectExplained(await run(oneshot(file)), `--data-dir: ${file} exists already, and is no folder`)
    expectExplained(
      await run(oneshot(`${file}/data`)),
      `--data-dir: cannot create ${file}/data: ${file} is not a folder`,
    )
  })

  const testWithProc = testWith(process.platform === 'linux', '/proc')
  testWithProc('a data directory in /proc is refused at once', async () => {
    expect(await run(oneshot('/proc/foo'))).toMatchObject({
      status: 2,
      text: expect.stringContaining(
        '--data-dir: cannot create /proc/foo: the file system of /proc allows no new folders',
      ),
    })
  })

  testWithRoot('a data directory of another user names both users, whether joined or not', async () => {
    const dataDir = await joined()
    const owners = ['belongs to user id 0, and this is user', 'run it as its owner, or change the owner']
    expectExplained(runAsNobody(oneshot(dataDir)), `--data-dir: there is no permission to`, dataDir, ...owners)
    expectExplained(runAsNobody(oneshot(path.join(folder, 'new'))), '--data-dir: there is no permission to', ...owners)
    expectExplained(runAsNobody(['status', `--data-dir=${dataDir}`]), 'there is no permission to read', ...owners)
  })

  const mount = (dataDir: string, options: string) => {
    mkdirSync(dataDir, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dataDir])
    mounts.push(dataDir)
  }

  testWithRoot('a data directory that is read-only is refused with what to do', async () => {
    const dataDir = path.join(folder, 'read-only')
    mount(dataDir, 'ro')
    expectExplained(await run(oneshot(dataDir)), '--data-dir: cannot write', 'its file system is read-only; mount it')
  })

  testWithRoot('a join on a full disk says that the disk is full; a node that has joined starts on one', async () => {
    const dataDir = path.join(folder, 'full')
    mount(dataDir, 'size=64k')
    const fill = () => spawnSync('dd', ['if=/dev/zero', `of=${dataDir}/fill`, 'bs=1k', 'count=100'])
    fill()
    expectExplained(await run(oneshot(dataDir)), `--data-dir: cannot write ${dataDir}/key.pem: the disk is full`)
    rmSync(path.join(dataDir, 'fill'))
    expect(await run(oneshot(dataDir))).toMatchObject({ status: 0 })
    fill()
    const stop = new AbortController()
    const started = new Promise<void>((resolve) => {
      const io = {
        stdout: { write: (text: string) => void (text.startsWith('Back in') && resolve()) },
        stderr: { write: () => {} },
        env,
        cwd: folder,
        signal: stop.signal,
      }
      void main(['start', `--data-dir=${dataDir}`, '--labels=changed=yes'], io)
    })
    await started
    stop.abort()
  })
})
