import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { notJoined } from './not-joined.ts'

let folder: string
let systemDir: string
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'muster-not-joined-'))
  systemDir = path.join(folder, 'system')
  // systemd keeps the folder where only root can see it.
  symlinkSync(path.join(folder, 'private'), systemDir)
})
afterAll(() => rmSync(folder, { recursive: true }))

test('a user without an identity hears of the agent of the machine, which only root can look at', () => {
  expect(notJoined('/home/ada/muster', { isRoot: false, systemDir })).toBe(
    `/home/ada/muster holds no identity; the agent of this machine has its own in ${systemDir}, which only root may read; put sudo before the command`,
  )
})

test.each([
  ['root', '/root/muster', true, 'system'],
  ['a user of a machine without an agent', '/home/ada/muster', false, 'absent'],
])('%s hears that the machine has not joined', (_who, dataDir, isRoot, name) => {
  expect(notJoined(dataDir, { isRoot, systemDir: path.join(folder, name) })).toBe(
    `this machine has not joined a cluster: ${dataDir} holds no identity`,
  )
})
