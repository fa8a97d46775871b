import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from '@jest/globals'
import { execFileSync, spawnSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { AppError, formatInvitation } from '@muster/domain'
import { eventually } from '@muster/testkit'
import { testWithRoot } from '@muster/testkit/tools'
import { BOT_TOKEN, startTestRegistration, type TestRegistration } from '../../test/support/registration.ts'
import { main } from '../cli.ts'

let folder: string
let dataDir: string
let server: TestRegistration
let number = 0

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-full-disk-'))
})
beforeEach(async () => {
  server = await startTestRegistration()
  dataDir = path.join(folder, String(++number))
  mkdirSync(dataDir)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96k', 'tmpfs', dataDir])
})
afterEach(async () => {
  await server.close()
  execFileSync('umount', [dataDir])
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

const fill = () => spawnSync('dd', ['if=/dev/zero', `of=${dataDir}/fill`, 'bs=1k', 'count=200'])
const free = () => rmSync(path.join(dataDir, 'fill'))
const remount = (how: string) => execFileSync('mount', ['-o', `remount,${how}`, dataDir])

/** Runs a bot until `stop`. */
function startAgent() {
  const stop = new AbortController()
  const ran = { text: '', renewals: 0 }
  const count = () => void (ran.renewals += 1)
  const output = { write: (text: string) => void (ran.text += text) }
  const text = formatInvitation({ address: server.address, token: BOT_TOKEN, caPins: [server.pin], roles: ['bot'] })
  const env = { MUSTER_AGENT_CONFIG_FILE: '/dev/null' }
  const io = { stdout: output, stderr: output, env, cwd: folder, signal: stop.signal }
  const ended = main(['start', `--data-dir=${dataDir}`, text], io)
  return { ran, count, stop: async () => (stop.abort(), ended) }
}

const serial = () => new X509Certificate(readFileSync(path.join(dataDir, 'chain.pem'))).serialNumber

/** The certificate on disk, which must fit the key beside it. */
function wholeSerial(): string {
  const certificate = new X509Certificate(readFileSync(path.join(dataDir, 'chain.pem')))
  expect(certificate.checkPrivateKey(createPrivateKey(readFileSync(path.join(dataDir, 'key.pem'))))).toBe(true)
  JSON.parse(readFileSync(path.join(dataDir, 'profile.json'), 'utf8'))
  return certificate.serialNumber
}

describe('a disk that fails while an agent renews', () => {
  testWithRoot.each([
    ['is full', fill, free, 'the disk is full'],
    ['is read-only', () => remount('ro'), () => remount('rw'), 'its file system is read-only'],
  ])(
    'a bot whose disk %s asks for nothing, keeps a whole identity on disk, and goes on once the disk does',
    async (_how, fail, heal, cause) => {
      const { ran, stop } = startAgent()
      // It holds its folder when the disk fails.
      await eventually('joined', () => ran.text.includes('Joined'))
      expect(await stop()).toBe(0)
      const held = wholeSerial()
      server.before.renewBot = () => {
        throw new AppError('unavailable', 'away for a moment')
      }
      // A bot renews when it returns, and again until that works.
      const again = startAgent()
      await eventually('runs', () => again.ran.text.includes('away for a moment'))
      fail()
      server.before.renewBot = again.count
      await eventually('said why', () => again.ran.text.includes(cause))
      expect(again.ran.renewals).toBe(0)
      expect(wholeSerial()).toBe(held)
      heal()
      await eventually('renewed', () => serial() !== held)
      expect(again.ran.renewals).toBe(1)
      expect(await again.stop()).toBe(0)
      expect(wholeSerial()).not.toBe(held)
      // Every draft is gone.
      expect(readdirSync(dataDir).filter((name) => name.endsWith('.tmp'))).toEqual([])
    },
  )
})
