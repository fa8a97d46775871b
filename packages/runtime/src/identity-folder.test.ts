import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { ensureKey, IDENTITY_FILES, readIdentity, writeIdentity } from './identity-folder.ts'

interface Profile {
  nodeId: string
}

const IDENTITY = { chainPem: 'chain', bundlePem: 'bundle', profile: { nodeId: 'n-1' } }

let root: string
let folder: string
let number = 0

beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'muster-identity-'))
})
beforeEach(() => {
  folder = path.join(root, String(++number))
})
afterAll(async () => {
  await rm(root, { recursive: true })
})

describe('an identity folder', () => {
  test('gives back what was kept in it', async () => {
    await ensureKey(folder, () => 'key')
    await writeIdentity(folder, IDENTITY)
    expect(await readIdentity<Profile>(folder)).toEqual({ ...IDENTITY, keyPem: 'key' })
  })

  test('holds no identity before its profile is written, which comes last', async () => {
    expect(await readIdentity(folder)).toBeUndefined()
    await ensureKey(folder, () => 'key')
    await writeFile(path.join(folder, IDENTITY_FILES.chain), 'chain')
    expect(await readIdentity(folder)).toBeUndefined()
  })

  test('and its key are for their owner only', async () => {
    await ensureKey(folder, () => 'key')
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    expect((await stat(path.join(folder, IDENTITY_FILES.key))).mode & 0o777).toBe(0o600)
  })

  test('keeps the first key, and gives it to all that come at once', async () => {
    let made = 0
    const keys = await Promise.all(Array.from({ length: 16 }, () => ensureKey(folder, () => `key ${++made}`)))
    expect(new Set(keys).size).toBe(1)
    expect(await ensureKey(folder, () => 'another')).toBe(keys[0])
    expect(await readdir(folder)).toEqual([IDENTITY_FILES.key])
  })

  test.each(['key', 'chain', 'bundle'] as const)('without its %s says so', async (name) => {
    await ensureKey(folder, () => 'key')
    await writeIdentity(folder, IDENTITY)
    await rm(path.join(folder, IDENTITY_FILES[name]))
    await expect(readIdentity(folder)).rejects.toThrow(new RegExp(`damaged.*${IDENTITY_FILES[name]}`))
  })

  test('with a profile that cannot be read says so', async () => {
    await ensureKey(folder, () => 'key')
    await writeIdentity(folder, IDENTITY)
    await writeFile(path.join(folder, IDENTITY_FILES.profile), '{"nodeId": "n-')
    await expect(readIdentity(folder)).rejects.toThrow('damaged')
  })
})
