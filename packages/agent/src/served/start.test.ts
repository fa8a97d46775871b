import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { formatInvitation } from '@muster/domain'
import { eventually } from '@muster/testkit'
import { NODE_TOKEN, startTestRegistration, type TestRegistration } from '../../test/support/registration.ts'
import { main } from '../cli.ts'

let folder: string
let server: TestRegistration

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-serve-'))
  server = await startTestRegistration()
})
afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true })
})

test('an agent with --on-renew publishes what it joined with and each renewed identity, and runs the command', async () => {
  server.ttlMs = 2_000
  const [dataDir, seen] = [path.join(folder, 'data'), path.join(folder, 'seen')]
  const text = formatInvitation({ address: server.address, token: NODE_TOKEN, caPins: [server.pin], roles: ['node'] })
  const stop = new AbortController()
  const output = { write: () => {} }
  const env = { MUSTER_AGENT_CONFIG_FILE: '/dev/null', MUSTER_ON_RENEW: `cat "$MUSTER_TLS_DIR/chain.pem" >> ${seen}` }
  const io = { stdout: output, stderr: output, env, cwd: folder, signal: stop.signal }
  const ended = main(['start', `--data-dir=${dataDir}`, text], io)
  const certificates = () => (existsSync(seen) ? readFileSync(seen, 'utf8').split('BEGIN CERTIFICATE').length - 1 : 0)
  // Each chain has two certificates.
  await eventually('published the first and a renewed identity', () => certificates() >= 4)
  stop.abort()
  expect(await ended).toBe(0)
  expect(existsSync(path.join(dataDir, 'tls/combined.pem'))).toBe(true)
})
