import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { spawn, type ChildProcess } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { AppError, formatInvitation, type NodeRole, refusal } from '@muster/domain'
import { eventually } from '@muster/testkit'
import { main } from '../cli.ts'
import { BOT_TOKEN, NODE_TOKEN, startTestRegistration, type TestRegistration } from '../../test/support/registration.ts'

let folder: string
let dataDir: string
let server: TestRegistration
let number = 0
let said = ''
const children: ChildProcess[] = []
const stops: AbortController[] = []
const env = { MUSTER_AGENT_CONFIG_FILE: '/dev/null' }

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-bot-'))
})
beforeEach(async () => {
  dataDir = path.join(folder, String(++number))
  server = await startTestRegistration()
  said = ''
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const stop of stops.splice(0)) stop.abort()
  await server.close()
  expect(said).not.toContain('canary')
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

/** Runs `muster start` in this process. */
async function start(argv: readonly string[] = [], dir = dataDir, signal = new AbortController().signal) {
  const ran = { stdout: '', stderr: '' }
  const keep = (name: keyof typeof ran) => (text: string) => {
    ran[name] += text
    said += text
  }
  const io = { stdout: { write: keep('stdout') }, stderr: { write: keep('stderr') }, env, cwd: dir, signal }
  return { status: await main(['start', `--data-dir=${dir}`, ...argv], io), ...ran }
}

/** Runs `muster start` until it is stopped. */
function startInBackground(...argv: string[]) {
  const stop = new AbortController()
  stops.push(stop)
  const ended = start(argv, dataDir, stop.signal)
  return {
    ended,
    stop() {
      stop.abort()
      return ended
    },
  }
}

/** Runs `muster start` as a process of its own. */
function spawnStart(argv: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const program = new URL('../../bin/muster.js', import.meta.url).pathname
  const child = spawn(process.execPath, [program, 'start', `--data-dir=${dataDir}`, ...argv], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  const output = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output.text += text
      said += text
    })
  }
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('close', (status, signal) => resolve(status ?? signal!))
  })
  return { child, output, ended }
}

function invitation(token = BOT_TOKEN, roles: NodeRole[] = ['bot']): string {
  return formatInvitation({ address: server.address, token, caPins: [server.pin], roles })
}

async function fileOf(name: string, dir = dataDir): Promise<string> {
  return await readFile(path.join(dir, name), 'utf8')
}

/** Checks that key and certificate belong together and that no other file is left. @returns the key in base64 */
async function keyInUse(): Promise<string> {
  expect((await readdir(dataDir)).sort()).toEqual(['bundle.pem', 'chain.pem', 'key.pem', 'profile.json'])
  const certificate = new X509Certificate(await fileOf('chain.pem'))
  expect(certificate.checkPrivateKey(createPrivateKey(await fileOf('key.pem')))).toBe(true)
  return certificate.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
}

const unavailable = () => {
  throw new AppError('unavailable', 'away for a moment')
}

/** Fails the first time only. */
function failOnce(): () => void {
  let failed = false
  return () => {
    if (failed) return
    failed = true
    unavailable()
  }
}

describe('muster start --oneshot', () => {
  test('muster start --oneshot joins a bot with only an invitation, stores its credentials, prints the folder, and ends', async () => {
    const { status, stdout, stderr } = await start(['--oneshot', invitation()])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const id = JSON.parse(await fileOf('profile.json')).nodeId
    expect(stdout).toMatch(
      new RegExp(
        `^Joined test.muster.internal as bot ci \\(instance ${id}\\)\\.\n` +
          `The credentials are in ${dataDir}: .*good until 20\\d\\d-\\d\\d-\\d\\d \\d\\d:\\d\\d UTC\\.\n$`,
      ),
    )
    expect(server.joins).toEqual([
      { key: await keyInUse(), request: expect.objectContaining({ roles: ['bot'], token: BOT_TOKEN }) },
    ])
    expect(new X509Certificate(await fileOf('chain.pem')).subjectAltName).toContain('/bot/ci')
  })

  test('muster start --oneshot joins a node, and prefers --roles to the roles of the invitation', async () => {
    const { status, stdout } = await start(['--oneshot', '--roles=app', invitation(NODE_TOKEN, ['node', 'proxy'])])
    expect(status).toBe(0)
    expect(stdout).toContain('(app)')
    expect(server.joins[0]!.request.roles).toEqual(['app'])
    await keyInUse()
  })

  test('muster start --oneshot renews an existing identity: a node keeps its key, a bot changes it', async () => {
    await start(['--oneshot', invitation(NODE_TOKEN, ['node'])])
    const nodeKey = await keyInUse()
    const nodeChain = await fileOf('chain.pem')
    expect(await start(['--oneshot'])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^The credentials are/),
    })
    expect(await keyInUse()).toBe(nodeKey)
    expect(await fileOf('chain.pem')).not.toBe(nodeChain)

    dataDir += '-bot'
    await start(['--oneshot', invitation()])
    const botKey = await keyInUse()
    expect(await start(['--oneshot'])).toMatchObject({ status: 0 })
    expect(server.generations).toEqual([botKey, await keyInUse()])
  })

  test('muster start --oneshot keeps a certificate that the server finds too new to renew', async () => {
    await start(['--oneshot', invitation(NODE_TOKEN, ['node'])])
    const chain = await fileOf('chain.pem')
    server.before.renewCertificate = () => {
      throw refusal('RENEWED_JUST_NOW', 'too new')
    }
    expect(await start(['--oneshot'])).toMatchObject({ status: 0, stderr: '' })
    expect(await fileOf('chain.pem')).toBe(chain)
  })

  test('muster start --oneshot fails when it is stopped before it is done', async () => {
    server.before.register = unavailable
    const stop = new AbortController()
    const running = start(['--oneshot', invitation()], dataDir, stop.signal)
    await eventually('asked', () => server.joins.length > 0)
    stop.abort()
    expect((await running).status).toBe(1)
  })
})

describe('a bot', () => {
  test('a bot renews with a new key each time', async () => {
    await start(['--oneshot', invitation()])
    server.ttlMs = 3_000
    const bot = startInBackground()
    // At once after the restart, and then when it is due.
    await eventually('renewed at once', () => server.generations.length === 2)
    server.ttlMs = 3_600_000
    await eventually('renewed when due', () => server.generations.length === 3)
    await eventually('kept', async () => (await readdir(dataDir)).every((name) => !/next|tmp/.test(name)))
    const { status, stdout } = await bot.stop()
    expect(status).toBe(0)
    expect(stdout).toMatch(/^Back in test\.muster\.internal as bot ci \(instance .*\); no token was needed\.\n$/)
    expect(server.generations[2]).toBe(await keyInUse())
    expect(new Set(server.generations).size).toBe(3)
    expect(server.isLocked).toBe(false)
  })

  test.each(['before', 'after'] as const)(
    'a bot requests the same key again when the request or the reply is lost: %s the server has done its part',
    async (when) => {
      server[when].register = failOnce()
      expect(await start(['--oneshot', invitation()])).toMatchObject({ status: 0 })
      expect(server.joins.map(({ key }) => key)).toEqual(Array.from({ length: 2 }, () => server.generations[0]))
      server[when].renewBot = failOnce()
      expect(await start(['--oneshot'])).toMatchObject({ status: 0 })
      expect(server.generations).toHaveLength(2)
      expect(server.generations[1]).toBe(await keyInUse())
      expect(server.renewals).toBe(when === 'after' ? 2 : 1)
    },
  )

  test('a bot requests the same key again after it was killed between the request and the reply', async () => {
    await start(['--oneshot', invitation()])
    const { child, ended } = spawnStart([])
    server.after.renewBot = () => {
      child.kill('SIGKILL')
      unavailable()
    }
    expect(await ended).toBe('SIGKILL')
    server.after = {}
    expect(await readdir(dataDir)).toContain('next-key.pem')
    expect(await start(['--oneshot'])).toMatchObject({ status: 0 })
    expect(server.generations).toHaveLength(2)
    expect(server.generations[1]).toBe(await keyInUse())
  })

  test('a bot that is killed before any change of a file continues', async () => {
    await start(['--oneshot', invitation()])
    // Dies in place of the nth change of a name in a folder: each file comes to be, or is replaced, by one of these.
    const killer = (nth: number) =>
      `import fs from 'node:fs'; import { syncBuiltinESMExports } from 'node:module'; let changes = 0;
       for (const name of ['symlink', 'link', 'rename']) { const real = fs.promises[name];
         fs.promises[name] = (...files) => (++changes === ${nth} ? process.kill(process.pid, 'SIGKILL') : real(...files)) }
       syncBuiltinESMExports()`
    let crashes = 0
    for (;;) {
      const importKiller = `--import=data:text/javascript,${encodeURIComponent(killer(crashes + 1))}`
      const { ended } = spawnStart(['--oneshot'], { NODE_OPTIONS: importKiller })
      if ((await ended) === 0) break
      expect(await ended).toBe('SIGKILL')
      crashes += 1
      expect(await start(['--oneshot'])).toMatchObject({ status: 0, stderr: '' })
      for (const name of await readdir(dataDir)) {
        // Drafts of killed agents; nothing reads them.
        if (/\.tmp$|^agent\.lock/.test(name)) await rm(path.join(dataDir, name))
      }
      expect(server.generations.at(-1)).toBe(await keyInUse())
    }
    // The lock, the next key, then bundle, chain, key and profile.
    expect(crashes).toBe(6)
    expect(server.isLocked).toBe(false)
  })

  test.each([1, 2])(
    'a bot whose copy renews is locked, and both exit with 3 (the original is %d ahead)',
    async (ahead) => {
      await start(['--oneshot', invitation()])
      const copy = `${dataDir}-copy`
      await cp(dataDir, copy, { recursive: true })
      for (let i = 0; i < ahead; i++) expect(await start(['--oneshot'])).toMatchObject({ status: 0 })
      const keyBefore = await fileOf('key.pem')
      const thief = await start([], copy)
      expect(thief).toMatchObject({ status: 3, stderr: expect.stringContaining('BOT_LOCKED') })
      const owner = await startInBackground().ended
      expect(owner).toMatchObject({ status: 3, stderr: expect.stringContaining('delete the data directory') })
      expect(await fileOf('key.pem')).toBe(keyBefore)
    },
  )

  test('a bot whose certificate has expired joins again with another token, as another instance with a new key', async () => {
    server.ttlMs = 1_500
    await start(['--oneshot', invitation()])
    const [former] = server.generations
    const expiresAt = Date.parse(new X509Certificate(await fileOf('chain.pem')).validTo)
    await eventually('expired', () => Date.now() > expiresAt)
    expect(await start(['--oneshot'])).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('CERTIFICATE_EXPIRED'),
    })
    server.ttlMs = 3_600_000
    expect(await start(['--oneshot', invitation()])).toMatchObject({ status: 0 })
    expect(await keyInUse()).not.toBe(former)
    expect(server.generations).toEqual([await keyInUse()])
  })

  test('a bot and a node do not share a data directory', async () => {
    await start(['--oneshot', invitation()])
    expect(await start(['--oneshot', '--roles=node'])).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/identity of a bot; for a node choose another --data-dir/),
    })
  })

  test('a bot that receives the identity of a node stores nothing', async () => {
    const { status, stderr } = await start(['--oneshot', invitation(NODE_TOKEN, ['bot'])])
    expect(status).toBe(4)
    expect(stderr).toContain('registration-service answered with an identity of another kind')
    expect(await readdir(dataDir)).toEqual(['key.pem'])
  })
})

describe('a server that names a time to wait', () => {
  const tooMany = (retryAfterMs: number) => {
    throw refusal('TOO_MANY_REFUSED', 'too many refused attempts', { retryAfterMs })
  }

  test('a server that names a time to wait is asked again after that time', async () => {
    server.before.register = () => {
      if (server.joins.length === 1) tooMany(50)
    }
    expect(await start(['--oneshot', invitation()])).toMatchObject({ status: 0 })
    expect(server.joins).toHaveLength(2)
  })

  test('a time to wait longer than --join-timeout makes the start exit with 5 at once', async () => {
    server.before.register = () => tooMany(60_000)
    const { status, stderr } = await start(['--oneshot', '--join-timeout=10s', invitation()])
    expect(status).toBe(5)
    expect(stderr).toContain('TOO_MANY_REFUSED')
    expect(server.joins).toHaveLength(1)
  })
})

describe('a data directory', () => {
  test('a data directory has one agent; a second one exits and names the process', async () => {
    const first = startInBackground(invitation())
    await eventually('joined', async () => (await readdir(dataDir).catch((): string[] => [])).includes('profile.json'))
    const { status, stderr } = await start()
    expect(status).toBe(1)
    expect(stderr).toBe(
      `muster: The data directory ${dataDir} is in use by process ${process.pid}. Stop that one first, or choose another data directory.\n`,
    )
    expect((await first.stop()).status).toBe(0)
    expect(await start(['--oneshot'])).toMatchObject({ status: 0 })
  })

  test('the data directory of a killed agent works for the next one without an invitation, and no process list shows one', async () => {
    const { child, output, ended } = spawnStart([invitation(NODE_TOKEN, ['node'])])
    await eventually('online', () => output.text.includes('online'))
    const shown = process.platform === 'linux' ? await readFile(`/proc/${child.pid}/cmdline`, 'utf8') : ''
    expect(shown).not.toMatch(/muster:|canary|sha256/)
    child.kill('SIGKILL')
    expect(await ended).toBe('SIGKILL')
    expect(await readdir(dataDir)).toContain('agent.lock')
    const next = startInBackground(invitation(NODE_TOKEN, ['node']))
    await eventually('back', () => / as node .*; the invitation was not needed\.\n/.test(said))
    expect((await next.stop()).status).toBe(0)
    expect(await readdir(dataDir)).not.toContain('agent.lock')
  })
})
