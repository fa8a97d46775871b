import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { eventually, type Relay, startRelay } from '@muster/testkit'
import { main } from '../cli.ts'
import { NODE_TOKEN, startTestRegistration, type TestRegistration } from '../../test/support/registration.ts'

let folder: string
let dataDir: string
let server: TestRegistration
let relay: Relay
let number = 0
const stops: AbortController[] = []

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-clock-'))
})
beforeEach(async () => {
  dataDir = path.join(folder, String(++number))
  server = await startTestRegistration()
  relay = await startRelay(server.address)
})
afterEach(async () => {
  for (const stop of stops.splice(0)) stop.abort()
  await relay.close()
  await server.close()
})
afterAll(() => rm(folder, { recursive: true }))

function start(...argv: string[]) {
  const stop = new AbortController()
  stops.push(stop)
  const ran = { said: '', status: undefined as number | undefined }
  const output = { write: (text: string) => (ran.said += text) }
  const env = { MUSTER_AGENT_CONFIG_FILE: '/dev/null' }
  const io = { stdout: output, stderr: output, env, cwd: folder, signal: stop.signal }
  const given = [`--token=${NODE_TOKEN}`, `--auth-server=${relay.address}`, `--ca-pin=${server.pin}`, '--nodename=web']
  const ended = main(['start', `--data-dir=${dataDir}`, ...given, ...argv], io).then((status) => (ran.status = status))
  return { ran, ended, stop: () => stop.abort() }
}

describe('a clock that does not fit the certificate of the server', () => {
  test.each([-48, 48])(
    'muster start retries within --join-timeout, says why, and exits with 5: %d h',
    async (hours) => {
      server.certifyFor(hours)
      const { ran, ended } = start('--oneshot', '--join-timeout=1s')
      expect(await ended).toBe(5)
      expect(ran.said).toMatch(/muster: the clock of this machine says .* UTC.*\n$/)
      expect(ran.said).toContain('could not join yet; trying again')
      expect(ran.said).not.toMatch(/pin|undefined/)
      expect(server.joins).toEqual([])
      expect(await readdir(dataDir)).toEqual(['key.pem'])
    },
  )

  test('muster start joins as soon as the clock fits', async () => {
    server.certifyFor(48)
    const { ran, ended } = start('--oneshot', '--join-timeout=30s')
    await eventually('refused to connect', () => ran.said.includes('the clock of this machine'))
    server.certifyFor(0)
    expect(await ended).toBe(0)
    expect(server.joins).toHaveLength(1)
  })

  test('a running agent goes on while the clock does not fit, and is back by itself', async () => {
    const { ran, stop, ended } = start()
    await eventually('online', () => ran.said.includes(' online'))
    server.certifyFor(48)
    relay.cut()
    await eventually('away', () => ran.said.includes('the cluster cannot be reached'))
    expect(ran.said).toContain('the clock of this machine says')
    expect(ran.status).toBeUndefined()
    server.certifyFor(0)
    await eventually('back', () => ran.said.match(/ online/g)?.length === 2)
    stop()
    expect(await ended).toBe(0)
  })
})
