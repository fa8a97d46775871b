import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { AppError, refusal } from '@muster/domain'
import { noProxy } from '@muster/rpc'
import { systemClock } from '@muster/runtime'
import { eventually } from '@muster/testkit'
import { memoryLog } from '@muster/testkit/log'
import { parseStartFlags } from '../config/options.ts'
import { exitStatusOf, explain } from '../exit-status.ts'
import { start } from '../run/start.ts'
import { systemdNotifier } from '../systemd/notifier.ts'
import { BOT_TOKEN, NODE_TOKEN, startTestRegistration, type TestRegistration } from '../../test/support/registration.ts'

const HOUR_MS = 3_600_000
let folder: string
let dataDir: string
let server: TestRegistration
let aheadMs = 0
let number = 0
const stops: AbortController[] = []

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-expiry-'))
})
beforeEach(async () => {
  dataDir = path.join(folder, String(++number))
  server = await startTestRegistration()
  aheadMs = 0
})
afterEach(async () => {
  for (const stop of stops.splice(0)) stop.abort()
  await server.close()
})
afterAll(() => rm(folder, { recursive: true }))

/** Starts the agent with a clock that is ahead by `aheadMs`, as it is at any time. */
function run(flags: Parameters<typeof parseStartFlags>[0] = {}) {
  const stop = new AbortController()
  stops.push(stop)
  const { lines, log } = memoryLog()
  const said: string[] = []
  const options = parseStartFlags({ dataDir, nodename: 'web', ...flags }, {})
  const clock = { ...systemClock, now: () => new Date(Date.now() + aheadMs) }
  const say = (line: string) => void said.push(line)
  const notifier = systemdNotifier({}, log)
  const ended = start(options, { clock, log, say, signal: stop.signal, notifier, proxyFor: noProxy }).then(
    () => undefined,
    (error: unknown) => error,
  )
  return { ended, said, stop: () => stop.abort(), logged: () => JSON.stringify(lines) }
}

const given = (token: string) => ({ token, authServer: server.address, caPin: [server.pin] })

async function files(): Promise<Record<string, string>> {
  const names = ['key.pem', 'chain.pem', 'bundle.pem', 'profile.json']
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(path.join(dataDir, name), 'utf8')])),
  )
}

async function joined(token: string): Promise<Record<string, string>> {
  const roles = token === BOT_TOKEN ? 'bot' : 'node'
  expect(await run({ ...given(token), roles, oneshot: true }).ended).toBeUndefined()
  server.joins.splice(0)
  return files()
}

describe('an identity that has expired by the clock of this machine', () => {
  test('a node without a token goes on if the cluster says that the certificate is valid, and warns of the clock', async () => {
    await joined(NODE_TOKEN)
    aheadMs = 48 * HOUR_MS
    const { said, logged, stop, ended } = run()
    await eventually('back', () => said.some((line) => line.startsWith('Back in ')))
    expect(logged()).toMatch(/the clock of this machine says .* and the clock of the cluster .*; set the clock/)
    stop()
    expect(await ended).toBeUndefined()
    expect(server.joins).toEqual([])
  })

  test('a node without a token waits for the cluster, and for the clock, before it believes that', async () => {
    const before = await joined(NODE_TOKEN)
    aheadMs = 48 * HOUR_MS
    // As a clock that is two days ahead sees it.
    server.certifyFor(-48)
    const { said, logged, stop, ended } = run()
    await eventually('asked', () => logged().includes('could not be asked yet'))
    expect(await files()).toEqual(before)
    server.certifyFor(0)
    aheadMs = 0
    await eventually('back', () => said.some((line) => line.startsWith('Back in ')))
    stop()
    expect(await ended).toBeUndefined()
  })

  test.each([NODE_TOKEN, BOT_TOKEN])('no token is spent while the cluster cannot be asked: %s', async (token) => {
    const before = await joined(token)
    aheadMs = 48 * HOUR_MS
    server.certifyFor(-48)
    const error = await run({ ...given(token), joinTimeout: '1s' }).ended
    expect(exitStatusOf(error)).toBe(5)
    expect(explain(error)).toContain('the clock of this machine says')
    expect(server.joins).toEqual([])
    expect(await files()).toEqual(before)
  })

  test('a bot keeps its identity and its token if the cluster says that the certificate is valid', async () => {
    const before = await joined(BOT_TOKEN)
    aheadMs = 48 * HOUR_MS
    const { said, stop, ended } = run({ ...given(BOT_TOKEN) })
    await eventually('back', () => said.some((line) => line.startsWith('Back in ')))
    stop()
    expect(await ended).toBeUndefined()
    expect(server.joins).toEqual([])
    expect((await files())['profile.json']).toBe(before['profile.json'])
  })

  test('a bot that joins again keeps the former identity until the new one is on disk', async () => {
    server.ttlMs = 1
    const before = await joined(BOT_TOKEN)
    server.ttlMs = HOUR_MS
    server.after.register = () => {
      throw new Error('the reply is lost')
    }
    const again = { ...given(BOT_TOKEN), roles: 'bot', oneshot: true }
    const lost = await run({ ...again, joinTimeout: '1s' }).ended
    expect(lost).toBeDefined()
    expect(await files()).toEqual(before)
    delete server.after.register
    expect(await run(again).ended).toBeUndefined()
    const after = await files()
    expect(after['key.pem']).not.toBe(before['key.pem'])
    expect((await readdir(dataDir)).filter((name) => /key/.test(name))).toEqual(['key.pem'])
    // Each attempt was made with one key, which is not the one of the former instance.
    expect(new Set(server.joins.map(({ key }) => key)).size).toBe(1)
  })

  test('a bot that joins again takes another key if the key of a lost join was used with another token', async () => {
    server.ttlMs = 1
    await joined(BOT_TOKEN)
    server.ttlMs = HOUR_MS
    server.after.register = () => {
      delete server.after.register
      throw refusal('KEY_USED_BEFORE', 'the key was used before')
    }
    expect(await run({ ...given(BOT_TOKEN), roles: 'bot', oneshot: true }).ended).toBeUndefined()
    expect(new Set(server.joins.map(({ key }) => key)).size).toBe(2)
  })

  test('a node recovers with its id once the cluster agrees, with a token or without, and spends none', async () => {
    for (const flags of [{}, given(NODE_TOKEN)]) {
      server.ttlMs = 1
      const before = await joined(NODE_TOKEN)
      server.ttlMs = HOUR_MS
      server.recoveries = 0
      const { ended, said } = run({ ...flags, oneshot: true })
      expect(await ended).toBeUndefined()
      const after = await files()
      expect({ ...after, 'chain.pem': '' }).toEqual({ ...before, 'chain.pem': '' })
      expect(after['chain.pem']).not.toBe(before['chain.pem'])
      expect({ recoveries: server.recoveries, joins: server.joins }).toEqual({ recoveries: 1, joins: [] })
      expect(said[0]).toContain('The certificate had expired; node ')
      dataDir = path.join(folder, String(++number))
    }
  })

  test('a node that the cluster does not let recover says why, and joins if it has a token', async () => {
    server.ttlMs = 1
    await joined(NODE_TOKEN)
    server.ttlMs = HOUR_MS
    server.before.recoverCertificate = () => {
      throw refusal('RECOVERY_TOO_LATE', 'too late')
    }
    const error = await run().ended
    expect(exitStatusOf(error)).toBe(3)
    expect(explain(error)).toContain('RECOVERY_TOO_LATE')
    expect(await run({ ...given(NODE_TOKEN), oneshot: true }).ended).toBeUndefined()
    expect(server.joins).toHaveLength(1)
  })

  test('a node that runs past the end of its certificate recovers in place', async () => {
    server.ttlMs = 1
    await joined(NODE_TOKEN)
    server.ttlMs = 2_000
    const refuse = () => {
      throw new AppError('unavailable', 'away')
    }
    server.before.renewCertificate = refuse
    const { ended, stop } = run()
    await eventually('recovered at the start', () => server.recoveries === 1)
    await eventually('recovered in place', () => server.recoveries === 2)
    stop()
    expect(await ended).toBeUndefined()
  })

  test('a node without a token is refused by a cluster that knows no recovery', async () => {
    server.ttlMs = 1
    await joined(NODE_TOKEN)
    server.before.recoverCertificate = () => {
      throw new AppError('unimplemented', 'no such method')
    }
    const error = await run().ended
    expect(exitStatusOf(error)).toBe(3)
    expect(explain(error)).toContain('CERTIFICATE_EXPIRED')
  })
})
