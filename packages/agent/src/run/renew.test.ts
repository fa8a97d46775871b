import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { renameSync } from 'node:fs'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { AppError, type ErrorKind } from '@muster/domain'
import { type NodeIdentity, tlsMaterial, Urgency } from '@muster/identity'
import { connect, type Connection, noProxy, TlsIdentity } from '@muster/rpc'
import { eventually, manualClock, type ManualClock } from '@muster/testkit'
import { memoryLog } from '@muster/testkit/log'
import { BOT_TOKEN, NODE_TOKEN, startTestRegistration, type TestRegistration } from '../../test/support/registration.ts'
import { parseStartFlags } from '../config/options.ts'
import { join, requireJoinOptions } from '../join/join.ts'
import { renew } from './renew.ts'
import { Renewer } from './renewer.ts'

let folder: string
let server: TestRegistration
let clock: ManualClock
let stop: AbortController
let connection: Connection
let number = 0
const { log, lines } = memoryLog()

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-renew-'))
})
beforeEach(async () => {
  server = await startTestRegistration()
  clock = manualClock()
  stop = new AbortController()
  lines.length = 0
})
afterEach(async () => {
  stop.abort()
  connection.close()
  await server.close()
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

/** Joins, then renews until `stop`. */
async function startRenewing(token: string) {
  const flags = { token, authServer: server.address, caPin: [server.pin], dataDir: path.join(folder, String(++number)) }
  const options = parseStartFlags({ ...flags, roles: token === BOT_TOKEN ? 'bot' : 'node', nodename: 'n' }, {})
  const identity = await join(requireJoinOptions(options), { clock, log, signal: stop.signal, proxyFor: noProxy })
  const tls = new TlsIdentity(tlsMaterial(identity))
  connection = connect({ addresses: [server.address], identity: tls, service: 'registration-service' })
  const renewed: NodeIdentity[] = []
  const stored: boolean[] = []
  const onRenewed = (next: NodeIdentity) => void renewed.push(next)
  const onStored = (isStored: boolean) => void stored.push(isStored)
  const renewer = new Renewer({ dataDir: flags.dataDir, identity, connection, clock })
  const deps = { renewer, tls, clock, log, urgency: new Urgency(), onRenewed, onStored }
  const ended = renew(deps, stop.signal).then(
    () => 'stopped',
    (error: unknown) => error,
  )
  await eventually('asleep until the renewal is due', () => clock.sleepers === 1)
  return { identity, dataDir: flags.dataDir, renewed, stored, ended }
}

/** Moves the clock only between renewals, so that a slow machine does not outlive its certificates. */
async function advanceWhileAsleep(): Promise<void> {
  if (clock.sleepers > 0) await clock.advance(60_000)
}

/** Lets the next renewal fail like this, and the ones after it succeed. */
function failOnce(kind: ErrorKind): { failures: number } {
  const counted = { failures: 0 }
  const fail = () => {
    if (counted.failures++ === 0) throw new AppError(kind, 'not now')
  }
  server.before.renewCertificate = fail
  server.before.renewBot = fail
  return counted
}

describe.each([
  ['node', NODE_TOKEN],
  ['bot', BOT_TOKEN],
])('a %s', (_kind, token) => {
  test.each<ErrorKind>(['internal', 'unavailable', 'resourceExhausted'])(
    'a renewal that fails with %s is retried, and the agent continues',
    async (kind) => {
      const { identity, renewed, ended } = await startRenewing(token)
      const counted = failOnce(kind)
      await eventually('renewed after the failure', async () => {
        await advanceWhileAsleep()
        return renewed.length > 0
      })
      expect(counted.failures).toBe(2)
      expect(renewed[0]!.chainPem).not.toBe(identity.chainPem)
      expect(lines.filter(({ msg }) => msg === 'renewal failed; trying again')).toHaveLength(1)
      stop.abort()
      expect(await ended).toBe('stopped')
    },
  )

  test.each<ErrorKind>(['failedPrecondition', 'permissionDenied', 'unauthenticated'])(
    'a renewal that is refused with %s ends the agent',
    async (kind) => {
      const { renewed, ended } = await startRenewing(token)
      const counted = failOnce(kind)
      await eventually('refused', async () => {
        await advanceWhileAsleep()
        return counted.failures > 0
      })
      expect(await ended).toMatchObject({ kind })
      expect(renewed).toEqual([])
    },
  )
})

test('a node says that the certificate in use is not on disk, and that it is once the disk has taken it', async () => {
  const { dataDir, renewed, stored } = await startRenewing(NODE_TOKEN)
  const away = `${dataDir}-away`
  server.before.renewCertificate = () => {
    server.before = {}
    renameSync(dataDir, away)
  }
  await eventually('lives from memory', async () => {
    await advanceWhileAsleep()
    return stored.length > 0
  })
  expect(stored).toEqual([false])
  await rename(away, dataDir)
  await eventually('stored', async () => {
    await advanceWhileAsleep()
    return renewed.length > 0
  })
  expect(stored).toEqual([false, true])
})
