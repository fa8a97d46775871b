import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { generateKey, privateKeyPem, publicKeyDer, spkiPin, verifyChain } from '@muster/pki'
import { manualClock } from '@muster/testkit'
import { randomBytes, X509Certificate } from 'node:crypto'
import { ensureAuthorities, type Authorities } from './authorities.ts'
import { issueCertificate } from '../issuing/issue-certificate.ts'
import { CLUSTER_NAME, DAY_MS, openStore, type Store } from '../../test/support/service.ts'
import { trustBundle } from '../rpc/trust-bundle.ts'

let store: Store
beforeEach(async () => {
  store = await openStore()
})
afterEach(async () => {
  await store.close()
})

async function counts(): Promise<{ authorities: number; issuing: number; audited: number }> {
  const { rows } = await store.pool.query<{ authorities: number; issuing: number; audited: number }>(
    `select (select count(*)::int from authorities) as authorities,
            (select count(*)::int from issuing_cas) as issuing,
            (select count(*)::int from audit_events) as audited`,
  )
  return rows[0]!
}

function pins({ host, user }: Pick<Authorities, 'host' | 'user'>): string[] {
  return [host, user].map(({ active }) => spkiPin(active.rootDer))
}

describe('the authorities', () => {
  test('the authorities are created once by eight replicas that start together, and all load the same', async () => {
    const starters = Array.from({ length: 8 }, () => store.authorityDeps({ pool: store.openPool() }))
    const loaded = await Promise.all(starters.map((deps) => ensureAuthorities(deps)))
    expect(await counts()).toEqual({ authorities: 2, issuing: 2, audited: 4 })
    expect(new Set(loaded.map((authorities) => pins(authorities).join())).size).toBe(1)
    expect(new Set(loaded.map(({ host }) => host.active.issuing.certificateDer.toString('hex'))).size).toBe(1)
  })

  test('the authorities are the same after a restart', async () => {
    const first = await ensureAuthorities(store.authorityDeps())
    const second = await ensureAuthorities(store.authorityDeps())
    expect(pins(second)).toEqual(pins(first))
    expect(privateKeyPem(second.host.active.issuing.privateKey)).toBe(
      privateKeyPem(first.host.active.issuing.privateKey),
    )
    expect(trustBundle(second, CLUSTER_NAME)).toEqual(trustBundle(first, CLUSTER_NAME))
    expect(await counts()).toEqual({ authorities: 2, issuing: 2, audited: 4 })
  })

  test('the authorities are a root of ten years and an issuing CA of ninety days each, and neither certifies members of the other', async () => {
    const { host, user } = await ensureAuthorities(store.authorityDeps())
    for (const { rootDer, issuing, rootNotAfter } of [host.active, user.active]) {
      const root = new X509Certificate(rootDer)
      const under = new X509Certificate(issuing.certificateDer)
      expect(root.verify(root.publicKey)).toBe(true)
      expect(under.verify(root.publicKey)).toBe(true)
      expect((rootNotAfter.getTime() - Date.now()) / DAY_MS).toBeCloseTo(3652, 0)
      expect((issuing.expiresAt.getTime() - Date.now()) / DAY_MS).toBeCloseTo(90, 0)
    }
    expect(pins({ host, user })[0]).not.toBe(pins({ host, user })[1])
    expect(
      new X509Certificate(user.active.issuing.certificateDer).verify(
        new X509Certificate(host.active.rootDer).publicKey,
      ),
    ).toBe(false)
  })

  test('the authorities cannot be loaded with another key-encryption key, and the error names the file', async () => {
    await ensureAuthorities(store.authorityDeps())
    const wrong = store.authorityDeps({ keyEncryptionKey: randomBytes(32) })
    await expect(ensureAuthorities(wrong)).rejects.toThrow('MUSTER_KEY_ENCRYPTION_KEY_FILE')
    expect(await counts()).toEqual({ authorities: 2, issuing: 2, audited: 4 })
    await ensureAuthorities(store.authorityDeps())
  })

  test('the authorities cannot be loaded for another cluster, and the error names their cluster', async () => {
    await ensureAuthorities(store.authorityDeps())
    for (const clusterName of ['other.internal', 'muster.internal', `x.${CLUSTER_NAME}`]) {
      await expect(ensureAuthorities(store.authorityDeps({ clusterName }))).rejects.toThrow(
        new RegExp(`another cluster.*O=${CLUSTER_NAME}`),
      )
    }
    expect(await counts()).toEqual({ authorities: 2, issuing: 2, audited: 4 })
  })

  test.each([
    ['the roots', `update authorities a set root_key_sealed = b.root_key_sealed from authorities b where a.id <> b.id`],
    ['the issuing CAs', `update issuing_cas a set key_sealed = b.key_sealed from issuing_cas b where a.id <> b.id`],
    [
      'a root and its issuing CA',
      `update issuing_cas set key_sealed = root_key_sealed from authorities where authorities.id = authority_id`,
    ],
    [
      'a certificate for another',
      `update issuing_cas a set certificate = b.certificate from issuing_cas b where a.id <> b.id`,
    ],
  ])('the authorities cannot be loaded after keys were exchanged in the database: %s', async (_what, sql) => {
    await ensureAuthorities(store.authorityDeps())
    await store.pool.query(sql)
    await expect(ensureAuthorities(store.authorityDeps())).rejects.toThrow()
  })

  test('the authorities are stored in the database without a readable key', async () => {
    const { host } = await ensureAuthorities(store.authorityDeps())
    const dump = await store.database.dump('ca')
    expect(dump).toContain(host.active.rootDer.toString('hex'))
    expect(dump).not.toContain('PRIVATE')
    expect(dump).not.toContain(store.keyEncryptionKey.toString('hex'))
    // The 32 bytes that are the private key, behind the header of PKCS#8.
    const secret = host.active.issuing.privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(36, 68)
    expect(dump).not.toContain(secret.toString('hex'))
    expect(dump).not.toContain(Buffer.from(secret.toString('base64')).toString('hex'))
  })
})

describe('an issuing CA', () => {
  test('an issuing CA is replaced when it has thirty days left, and the pin stays', async () => {
    const first = await ensureAuthorities(store.authorityDeps())
    const leaf = async (authorities: Authorities, clock = manualClock()) => {
      const deps = { db: store.pool, authorities, clusterName: CLUSTER_NAME, clock }
      const publicKey = publicKeyDer(generateKey())
      const request = { kind: 'node', name: 'n', roles: [], dnsNames: [], requestedBy: 'x', ttlSeconds: 60 } as const
      return issueCertificate(deps, { ...request, publicKeyDer: publicKey })
    }
    const sixtyDays = manualClock(new Date(Date.now() + 59.9 * DAY_MS))
    const same = await ensureAuthorities(store.authorityDeps({ clock: sixtyDays }))
    expect(same.host.active.issuing.certificateDer).toEqual(first.host.active.issuing.certificateDer)

    await sixtyDays.advance(0.2 * DAY_MS)
    const renewers = Array.from({ length: 4 }, () => store.authorityDeps({ clock: sixtyDays, pool: store.openPool() }))
    const renewed = await Promise.all(renewers.map((deps) => ensureAuthorities(deps)))
    for (const authorities of renewed) {
      expect(pins(authorities)).toEqual(pins(first))
      expect(trustBundle(authorities, CLUSTER_NAME)).toEqual(trustBundle(first, CLUSTER_NAME))
      expect(authorities.host.active.issuing.certificateDer).toEqual(renewed[0]!.host.active.issuing.certificateDer)
      expect(authorities.host.active.issuing.certificateDer).not.toEqual(first.host.active.issuing.certificateDer)
    }
    expect(await counts()).toMatchObject({ authorities: 2, issuing: 4 })

    // Certificates of the old issuing CA stay valid beside those of the new one.
    for (const [authorities, now] of [
      [first, new Date()],
      [renewed[0]!, sixtyDays.now()],
    ] as const) {
      const { chainDer } = await leaf(authorities, manualClock(now))
      const chain = {
        leafDer: chainDer[0]!,
        intermediatesDer: [chainDer[1]!],
        rootsDer: [first.host.active.rootDer],
        now,
      }
      expect(verifyChain(chain)).toBe(true)
    }
  })
})
