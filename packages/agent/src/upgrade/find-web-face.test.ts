import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { formatInvitation } from '@muster/domain'
import { noProxy } from '@muster/rpc'
import { NODE_TOKEN, startTestRegistration, type TestRegistration } from '../../test/support/registration.ts'
import { main } from '../cli.ts'
import { readReport } from '../status/report.ts'
import { findWebFace } from './find-web-face.ts'

let folder: string
let registration: TestRegistration

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-web-face-test-'))
  registration = await startTestRegistration()
  const { address, pin } = registration
  const invitation = formatInvitation({ address, token: NODE_TOKEN, caPins: [pin], roles: ['node'] })
  const nowhere = { write: () => {} }
  const env = { MUSTER_AGENT_CONFIG_FILE: '/dev/null' }
  const io = { stdout: nowhere, stderr: nowhere, env, cwd: folder, signal: new AbortController().signal }
  expect(await main(['start', '--oneshot', invitation, `--data-dir=${folder}`], io)).toBe(0)
})
afterAll(async () => {
  await registration.close()
  await rm(folder, { recursive: true })
})

test.each([
  ['told by the cluster, on another host', 'attacker.example:3080', undefined, false],
  ['told by the cluster, on the host that this machine has joined', '127.0.0.1:443', undefined, true],
  ['told by the cluster as a port alone', ':3080', undefined, true],
  ['given by the user', 'attacker.example:3080', 'web.example', true],
])('a web face %s: a public certificate is accepted only for a host that the user has named', async (...row) => {
  const [, told, given, acceptsPublic] = row
  registration.webAddress = told
  const report = await readReport({ dataDir: folder, now: new Date() })
  const face = await findWebFace({ report, given, proxyFor: noProxy, signal: new AbortController().signal })
  expect(face).toMatchObject({ acceptsPublic, cluster: { name: 'test.muster.internal' } })
})
