import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { generateKey, privateKeyPem } from '@muster/pki'
import { testCluster } from '@muster/testkit'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { ensureKey, IDENTITY_FILES, readIdentity, recoverIdentity, writeIdentity } from './identity-folder.ts'

interface Profile {
  nodeId: string
}

const cluster = testCluster()
const OWN = cluster.member({ kind: 'node', name: 'n-1' }).own
const { keyPem } = OWN
const IDENTITY = { chainPem: OWN.chainPem, bundlePem: cluster.hostRootsPem, profile: { nodeId: 'n-1' } }

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
  test('an identity folder returns what was stored in it', async () => {
    await ensureKey(folder, () => keyPem)
    await writeIdentity(folder, IDENTITY)
    expect(await readIdentity<Profile>(folder)).toEqual({ ...IDENTITY, keyPem })
  })

  test('an identity folder has no identity before its profile is written, which comes last', async () => {
    expect(await readIdentity(folder)).toBeUndefined()
    await ensureKey(folder, () => keyPem)
    await writeFile(path.join(folder, IDENTITY_FILES.chain), OWN.chainPem)
    expect(await readIdentity(folder)).toBeUndefined()
  })

  test.each(['bundle', 'chain'] as const)(
    'an identity folder gets no profile when its %s cannot be written',
    async (name) => {
      await ensureKey(folder, () => keyPem)
      await mkdir(path.join(folder, IDENTITY_FILES[name]))
      await expect(writeIdentity(folder, IDENTITY)).rejects.toThrow()
      expect(await readdir(folder)).not.toContain(IDENTITY_FILES.profile)
      expect(await readIdentity(folder)).toBeUndefined()
    },
  )

  test('an identity folder and its key are readable by their owner only', async () => {
    await ensureKey(folder, () => keyPem)
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    expect((await stat(path.join(folder, IDENTITY_FILES.key))).mode & 0o777).toBe(0o600)
  })

  test('an identity folder keeps the first key, and returns it to all concurrent callers', async () => {
    const make = () => privateKeyPem(generateKey())
    const keys = await Promise.all(Array.from({ length: 16 }, () => ensureKey(folder, make)))
    expect(new Set(keys).size).toBe(1)
    expect(await ensureKey(folder, () => 'another')).toBe(keys[0])
    expect(await readdir(folder)).toEqual([IDENTITY_FILES.key])
  })

  test.each(['key', 'chain', 'bundle'] as const)(
    'an identity folder without its %s is reported as damaged',
    async (name) => {
      await ensureKey(folder, () => keyPem)
      await writeIdentity(folder, IDENTITY)
      await rm(path.join(folder, IDENTITY_FILES[name]))
      await expect(readIdentity(folder)).rejects.toThrow(new RegExp(`damaged.*${IDENTITY_FILES[name]}`))
    },
  )

  test('an identity folder with an unreadable profile is reported as damaged', async () => {
    await ensureKey(folder, () => keyPem)
    await writeIdentity(folder, IDENTITY)
    await writeFile(path.join(folder, IDENTITY_FILES.profile), '{"nodeId": "n-')
    await expect(readIdentity(folder)).rejects.toThrow('damaged')
  })
})

describe('an identity that changes its key', () => {
  const [first, second] = [
    cluster.member({ kind: 'bot', name: 'ci' }).own,
    cluster.member({ kind: 'bot', name: 'ci' }).own,
  ]
  const profile = { nodeId: 'n-1' }
  const before = { ...first, bundlePem: cluster.hostRootsPem, profile }
  const after = { ...second, bundlePem: testCluster().hostRootsPem, profile: { nodeId: 'n-2' } }
  const fileOf = (name: keyof typeof IDENTITY_FILES) => path.join(folder, IDENTITY_FILES[name])

  beforeEach(async () => {
    await ensureKey(folder, () => first.keyPem)
    await writeIdentity(folder, before)
    await ensureKey(folder, () => second.keyPem, 'nextKey')
  })

  test('an identity that changes its key keeps the same next key, readable by its owner only, until it has a certificate', async () => {
    expect((await stat(fileOf('nextKey'))).mode & 0o777).toBe(0o600)
    expect(await ensureKey(folder, () => 'another', 'nextKey')).toBe(second.keyPem)
    await writeIdentity(folder, before)
    await recoverIdentity(folder)
    expect(await readIdentity(folder)).toEqual(before)
    expect(await ensureKey(folder, () => 'another', 'nextKey')).toBe(second.keyPem)
  })

  test('an identity that changes its key uses the next key once it has a certificate for it', async () => {
    await writeIdentity(folder, after)
    expect(await readIdentity(folder)).toEqual(after)
    expect((await stat(fileOf('key'))).mode & 0o777).toBe(0o600)
    expect((await readdir(folder)).sort()).toEqual(['bundle.pem', 'chain.pem', 'key.pem', 'profile.json'])
  })

  test.each<[string, () => Promise<void>]>([
    ['the certificate was stored', async () => {}],
    ['the key was changed', () => rename(fileOf('nextKey'), fileOf('key'))],
  ])('an identity that changes its key is complete again after a crash when %s', async (_when, next) => {
    await writeFile(fileOf('bundle'), after.bundlePem)
    await writeFile(fileOf('chain'), after.chainPem)
    await next()
    await recoverIdentity(folder)
    expect(await readIdentity(folder)).toEqual({ ...after, profile })
    await expect(stat(fileOf('nextKey'))).rejects.toThrow('ENOENT')
  })

  test('an identity that changes its key keeps its profile when the next key cannot replace the current one', async () => {
    await rm(fileOf('key'))
    await mkdir(fileOf('key'))
    await expect(writeIdentity(folder, after)).rejects.toThrow()
    expect(JSON.parse(await readFile(fileOf('profile'), 'utf8'))).toEqual(profile)
  })

  test('an identity that changes its key is reported as damaged if its chain is unreadable', async () => {
    await writeFile(fileOf('chain'), 'half a chain')
    await expect(recoverIdentity(folder)).rejects.toThrow('damaged')
  })

  test.each([[[]], [['key']], [['key', 'nextKey', 'chain']], [['key', 'nextKey', 'chain', 'bundle']]] as const)(
    'a discarded identity is gone with its keys, also after a crash that left %j deleted',
    async (gone) => {
      await rename(fileOf('profile'), fileOf('discarded'))
      for (const name of gone) await rm(fileOf(name))
      expect(await readIdentity(folder)).toBeUndefined()
      await recoverIdentity(folder)
      expect(await readdir(folder)).toEqual([])
    },
  )

  test('an identity that takes the place of another brings its own key, and the next key of the other goes', async () => {
    await rename(fileOf('nextKey'), fileOf('joinKey'))
    await ensureKey(folder, () => first.keyPem, 'nextKey')
    await recoverIdentity(folder)
    expect(await readIdentity(folder)).toEqual(before)
    await ensureKey(folder, () => first.keyPem, 'nextKey')
    await writeIdentity(folder, after)
    expect(await readIdentity(folder)).toEqual(after)
    expect((await readdir(folder)).sort()).toEqual(['bundle.pem', 'chain.pem', 'key.pem', 'profile.json'])
  })

  test('an identity keeps its own key while the key of another has no certificate', async () => {
    const other = privateKeyPem(generateKey())
    await ensureKey(folder, () => other, 'joinKey')
    await writeIdentity(folder, after)
    await recoverIdentity(folder)
    expect(await readIdentity(folder)).toEqual(after)
    expect(await readFile(fileOf('joinKey'), 'utf8')).toBe(other)
  })
})
