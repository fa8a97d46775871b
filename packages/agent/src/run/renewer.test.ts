import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { type NodeIdentity, tlsMaterial } from '@muster/identity'
import { connect, type Connection, noProxy, TlsIdentity } from '@muster/rpc'
import { manualClock, type ManualClock } from '@muster/testkit'
import { memoryLog } from '@muster/testkit/log'
import { BOT_TOKEN, NODE_TOKEN, startTestRegistration, type TestRegistration } from '../../test/support/registration.ts'
import { parseStartFlags } from '../config/options.ts'
import { join, requireJoinOptions } from '../join/join.ts'
import { loadIdentity } from '../join/node-identity.ts'
import { Renewer } from './renewer.ts'

let folder: string
let dataDir: string
let server: TestRegistration
let clock: ManualClock
let connection: Connection
let number = 0
let requests = 0
const { log } = memoryLog()
const never = new AbortController().signal

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-renewer-'))
})
beforeEach(async () => {
  server = await startTestRegistration()
  clock = manualClock()
  requests = 0
  dataDir = path.join(folder, String(++number))
})
afterEach(async () => {
  connection.close()
  await server.close()
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

async function joined(token: string): Promise<{ identity: NodeIdentity; renewer: Renewer }> {
  const flags = { token, authServer: server.address, caPin: [server.pin], dataDir }
  const options = parseStartFlags({ ...flags, roles: token === BOT_TOKEN ? 'bot' : 'node', nodename: 'n' }, {})
  const identity = await join(requireJoinOptions(options), { clock, log, signal: never, proxyFor: noProxy })
  const tls = new TlsIdentity(tlsMaterial(identity))
  connection = connect({ addresses: [server.address], identity: tls, service: 'registration-service' })
  return { identity, renewer: new Renewer({ dataDir, identity, connection, clock }) }
}

/** Runs `hook` once, while the server works on a renewal. */
function onRequest(hook: () => void = () => {}): void {
  const counted = () => {
    requests += 1
    if (requests === 1) hook()
  }
  server.before.renewCertificate = counted
  server.before.renewBot = counted
}

const takeAway = () => rename(dataDir, `${dataDir}-away`)
const bringBack = () => rename(`${dataDir}-away`, dataDir)

describe.each([
  ['node', NODE_TOKEN],
  ['bot', BOT_TOKEN],
])('the renewal of a %s', (_kind, token) => {
  test('a renewal is not requested while the folder takes nothing', async () => {
    const { identity, renewer } = await joined(token)
    onRequest()
    await takeAway()
    await expect(renewer.renew(never)).rejects.toThrow(`the folder ${dataDir} is not there`)
    expect(requests).toBe(0)
    await bringBack()
    expect((await renewer.renew(never)).chainPem).not.toBe(identity.chainPem)
    expect(requests).toBe(1)
  })

  test('a certificate that could not be stored is kept and stored later, and none is requested again', async () => {
    const { identity, renewer } = await joined(token)
    let away: Promise<void> | undefined
    onRequest(() => {
      away = takeAway()
    })
    await expect(renewer.renew(never)).rejects.toThrow(`the folder ${dataDir} is not there`)
    await away
    // The reason stays the same; the server's refusal of another renewal would hide it.
    await expect(renewer.renew(never)).rejects.toThrow(`the folder ${dataDir} is not there`)
    await bringBack()
    expect(await loadIdentity(dataDir)).toEqual(identity)
    const renewed = await renewer.renew(never)
    expect(requests).toBe(1)
    expect(renewed.chainPem).not.toBe(identity.chainPem)
    expect(await loadIdentity(dataDir)).toEqual(renewed)
    expect(await readdir(dataDir)).not.toContain('room')
  })
})

test('a node whose folder was away before the renewal asks near the end of its certificate, and lives from memory', async () => {
  for (const [token, expected] of [
    [NODE_TOKEN, 1],
    [BOT_TOKEN, 0],
  ] as const) {
    dataDir = path.join(folder, String(++number))
    requests = 0
    const { renewer } = await joined(token)
    onRequest()
    await takeAway()
    await clock.advance(0.85 * server.ttlMs)
    const used: NodeIdentity[] = []
    await expect(renewer.renew(never)).rejects.toThrow('is not there')
    renewer.useUnstored((identity) => void used.push(identity))
    expect({ token, requests, used: used.length }).toEqual({ token, requests: expected, used: expected })
    connection.close()
  }
})

test('a node whose folder is away for long lives from memory and keeps renewing; a bot does not', async () => {
  for (const [token, expected] of [
    [NODE_TOKEN, 1],
    [BOT_TOKEN, 0],
  ] as const) {
    dataDir = path.join(folder, String(++number))
    requests = 0
    const { renewer } = await joined(token)
    let away: Promise<void> | undefined
    onRequest(() => {
      away = takeAway()
    })
    const used: NodeIdentity[] = []
    const use = (identity: NodeIdentity) => void used.push(identity)
    await expect(renewer.renew(never)).rejects.toThrow('is not there')
    await away
    renewer.useUnstored(use)
    expect(used).toHaveLength(0)
    await clock.advance(0.85 * server.ttlMs)
    renewer.useUnstored(use)
    renewer.useUnstored(use)
    expect(used).toHaveLength(expected)
    await expect(renewer.renew(never)).rejects.toThrow('is not there')
    expect(requests).toBe(1 + expected)
    connection.close()
  }
})
