import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { spawnSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { ensureKey, type NodeIdentity, writeIdentity } from '@muster/identity'
import { eventually, testCluster } from '@muster/testkit'
import { memoryLog } from '@muster/testkit/log'
import { systemClock } from '@muster/runtime'
import { testWithRoot } from '@muster/testkit/tools'
import { identityServer } from './serve-identity.ts'
import { publishIdentity } from './tls-folder.ts'

const NOBODY = 65534
const cluster = testCluster()
let root: string
let dataDir: string
let number = 0

beforeAll(async () => {
  // Not in the folder of this run, which other users cannot enter.
  root = await mkdtemp('/tmp/muster-served-')
  await chmod(root, 0o755)
})
beforeEach(async () => {
  dataDir = path.join(root, String(++number))
  await mkdir(dataDir, { mode: 0o700 })
})
afterAll(async () => {
  await rm(root, { recursive: true })
})

function identity(): NodeIdentity {
  const { keyPem, chainPem } = cluster.member({ kind: 'bot', name: 'web' }).own
  const profile = { nodeId: 'n', clusterName: cluster.clusterName, roles: [], authServer: 'a:1', trustBundleVersion: 1 }
  return { keyPem, chainPem, bundlePem: cluster.hostRootsPem, userBundlePem: cluster.hostRootsPem, profile }
}

const read = (name: string, folder = path.join(dataDir, 'tls')) => readFile(path.join(folder, name), 'utf8')
const modeOf = async (file: string) => ((await stat(path.join(dataDir, file))).mode & 0o777).toString(8)

describe('the files for foreign servers', () => {
  test('the files for foreign servers hold chain, key, both in one, and the roots of hosts and people', async () => {
    const first = identity()
    expect(await publishIdentity(dataDir, first, undefined)).toBe(true)
    expect(await readdir(path.join(dataDir, 'tls'))).toEqual([
      'bundle.pem',
      'chain.pem',
      'combined.pem',
      'key.pem',
      'user-bundle.pem',
    ])
    expect(await read('combined.pem')).toBe(first.chainPem + first.keyPem)
    expect(await read('user-bundle.pem')).toBe(first.userBundlePem)
    expect([await modeOf('tls/key.pem'), await modeOf('tls/combined.pem'), await modeOf('.')]).toEqual([
      '600',
      '600',
      '700',
    ])
    expect(await publishIdentity(dataDir, first, undefined)).toBe(false)
  })

  test('the files for foreign servers are switched as a set, and the last set stays', async () => {
    const stop = new AbortController()
    let reads = 0
    const reader = (async () => {
      while (!stop.signal.aborted) {
        const folder = await realpath(path.join(dataDir, 'tls')).catch(() => undefined)
        if (folder === undefined) continue
        const [chain, key] = [await read('chain.pem', folder), await read('key.pem', folder)]
        expect(new X509Certificate(chain).checkPrivateKey(createPrivateKey(key))).toBe(true)
        reads += 1
      }
    })()
    for (let i = 0; i < 8; i++) {
      await publishIdentity(dataDir, identity(), undefined)
      const before = reads
      await eventually('read', () => reads > before)
    }
    stop.abort()
    await reader
    expect(await readdir(path.join(dataDir, 'tls.d'))).toHaveLength(2)
  })

  testWithRoot(
    'the files for foreign servers can be read by the group, and nothing else of the data directory',
    async () => {
      await publishIdentity(dataDir, identity(), NOBODY)
      const cat = (file: string) =>
        spawnSync('cat', [path.join(dataDir, file)], { uid: NOBODY, gid: NOBODY, encoding: 'utf8' }).status
      for (const name of ['key.pem', 'chain.pem', 'combined.pem', 'bundle.pem', 'user-bundle.pem']) {
        expect({ name, status: cat(`tls/${name}`) }).toEqual({ name, status: 0 })
      }
      expect(await modeOf('tls/key.pem')).toBe('640')
      expect(spawnSync('ls', [dataDir], { uid: NOBODY, gid: NOBODY }).status).not.toBe(0)
      // Of another group.
      expect(spawnSync('cat', [path.join(dataDir, 'tls/key.pem')], { uid: NOBODY, gid: NOBODY - 1 }).status).not.toBe(0)
    },
  )
})

describe('the command of --on-renew', () => {
  const { log, lines } = memoryLog()
  const deps = { clock: systemClock, log, signal: new AbortController().signal }
  const options = { identityGroup: undefined, onRenew: undefined, oneshot: true, joinTimeoutMs: 1_000 }
  /** Serves what the agent has stored. */
  const serving = async (onRenew: string | undefined) => {
    const serve = await identityServer({ ...options, dataDir, onRenew }, deps)
    return async (identityNow: NodeIdentity) => {
      await rm(path.join(dataDir, 'key.pem'), { force: true })
      await ensureKey(dataDir, () => identityNow.keyPem)
      await writeIdentity(dataDir, identityNow)
      await serve()
    }
  }

  beforeEach(() => void (lines.length = 0))

  test('the command of --on-renew runs after each switch, once, and finds the files', async () => {
    const serve = await serving(`cat "$MUSTER_TLS_DIR/chain.pem" >> '${path.join(root, 'seen')}'`)
    const [first, second] = [identity(), identity()]
    await serve(first)
    await serve(first)
    await serve(second)
    expect(await readFile(path.join(root, 'seen'), 'utf8')).toBe(first.chainPem + second.chainPem)
  })

  test('a command of --on-renew that fails is a warning with what it said', async () => {
    await (
      await serving('echo no such server >&2; exit 7')
    )(identity())
    expect(lines.map(({ msg }) => msg)).toEqual(['the command of --on-renew failed (7): no such server'])
  })

  test('a group that is not there is refused before anything is done', async () => {
    const wanted = identityServer({ ...options, dataDir, identityGroup: 'no-such-group' }, deps)
    await expect(wanted).rejects.toThrow('--identity-group: there is no group no-such-group')
  })

  test('nothing is published unless a flag asks for it', async () => {
    await (
      await serving(undefined)
    )(identity())
    expect(await readdir(dataDir)).not.toContain('tls')
  })
})
