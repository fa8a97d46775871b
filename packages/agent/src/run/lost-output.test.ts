import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { formatInvitation } from '@muster/domain'
import { eventually } from '@muster/testkit'
import { NODE_TOKEN, startTestRegistration, type TestRegistration } from '../../test/support/registration.ts'

let folder: string
let server: TestRegistration
let child: ChildProcess | undefined

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-lost-output-'))
})
beforeEach(async () => {
  server = await startTestRegistration()
})
afterEach(async () => {
  child?.kill('SIGKILL')
  await server.close()
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

const FULL = '/dev/full'
const testWithFullDisk = existsSync(FULL) ? test : test.skip

/** Starts an agent whose certificates last for two seconds, and counts its renewals. */
function startAgent(dataDir: string, output: number | 'pipe') {
  server.ttlMs = 2_000
  const counted = { renewals: 0 }
  server.before.renewCertificate = () => void (counted.renewals += 1)
  const program = new URL('../../bin/muster.js', import.meta.url).pathname
  const text = formatInvitation({ address: server.address, token: NODE_TOKEN, caPins: [server.pin], roles: ['node'] })
  const started = spawn(process.execPath, [program, 'start', `--data-dir=${dataDir}`, text], {
    env: { ...process.env, MUSTER_AGENT_CONFIG_FILE: '/dev/null' },
    stdio: ['ignore', output, output],
  })
  child = started
  return { started, counted }
}

test('an agent whose output has no reader any more keeps renewing, and stops with 0', async () => {
  const { started, counted } = startAgent(path.join(folder, 'pipe'), 'pipe')
  await eventually('renewed', () => counted.renewals > 0)
  started.stdout!.destroy()
  started.stderr!.destroy()
  const before = counted.renewals
  await eventually('renewed without a reader', () => counted.renewals > before + 1)
  const ended = new Promise((resolve) => started.once('exit', resolve))
  started.kill('SIGTERM')
  expect(await ended).toBe(0)
})

testWithFullDisk('an agent whose output is on a full disk joins and keeps renewing', async () => {
  const full = await open(FULL, 'w')
  const { started, counted } = startAgent(path.join(folder, 'full'), full.fd)
  await eventually('renewed twice', () => counted.renewals > 1)
  expect(started.exitCode).toBeNull()
  await full.close()
})
