import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { generateKey, keyFingerprint, parseIdentity, publicKeyDer, verifyChain } from '@muster/pki'
import { systemClock } from '@muster/runtime'
import { manualClock } from '@muster/testkit'
import { ensureAuthorities, type Authorities } from '../authorities/authorities.ts'
import { issueCertificate, purgeCertificates, type CertificateRequest, type IssueDeps } from './issue-certificate.ts'
import { CLUSTER_NAME, DAY_MS, openStore, type Store } from '../../test/support/service.ts'

const publicKey = publicKeyDer(generateKey())
let store: Store
let authorities: Authorities

beforeAll(async () => {
  store = await openStore()
  authorities = await ensureAuthorities(store.authorityDeps())
})
beforeEach(async () => {
  await store.pool.query('truncate certificates')
})
afterAll(async () => {
  await store.close()
})

function issue(request: Partial<CertificateRequest> = {}, deps: Partial<IssueDeps> = {}) {
  return issueCertificate(
    { db: store.pool, authorities, clusterName: CLUSTER_NAME, clock: systemClock, ...deps },
    {
      kind: 'node',
      name: '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11',
      roles: ['node'],
      dnsNames: ['web-1.example'],
      publicKeyDer: publicKey,
      ttlSeconds: 3_600,
      requestedBy: 'spiffe://c/service/registration-service',
      ...request,
    },
  )
}

async function recorded(): Promise<{ serial: Buffer; spiffe_id: string; key_fingerprint: Buffer; not_after: Date }[]> {
  const { rows } = await store.pool.query('select serial, spiffe_id, key_fingerprint, not_after from certificates')
  return rows as Awaited<ReturnType<typeof recorded>>
}

describe('a certificate', () => {
  test('a certificate is for the requested key and names, by the authority for its kind, and on record', async () => {
    const { chainDer, serial, expiresAt } = await issue()
    const [leafDer, issuingDer] = chainDer as [Buffer, Buffer]
    const identity = parseIdentity(leafDer)
    expect(identity).toMatchObject({
      spiffeId: `spiffe://${CLUSTER_NAME}/node/0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11`,
      serial,
      roles: ['node'],
      dnsNames: ['web-1.example'],
      publicKeyDer: publicKey,
      issuerType: 'host',
    })
    expect(verifyChain({ leafDer, intermediatesDer: [issuingDer], rootsDer: [authorities.host.active.rootDer] })).toBe(
      true,
    )
    expect(verifyChain({ leafDer, intermediatesDer: [issuingDer], rootsDer: [authorities.user.active.rootDer] })).toBe(
      false,
    )
    const [row, ...others] = await recorded()
    expect(others).toEqual([])
    expect(row).toMatchObject({
      spiffe_id: identity.spiffeId,
      key_fingerprint: keyFingerprint(publicKey),
      not_after: expiresAt,
    })
    expect(row!.serial.toString('hex')).toBe(serial)
  })

  test('a certificate is valid from five minutes before its issue, for as long as requested', async () => {
    const clock = manualClock(new Date('2026-12-01T00:00:00Z'))
    const { chainDer, expiresAt } = await issue({}, { clock })
    expect(expiresAt).toEqual(new Date('2026-12-01T01:00:00Z'))
    expect(parseIdentity(chainDer[0]!)).toMatchObject({
      notBefore: new Date('2026-11-30T23:55:00Z'),
      notAfter: expiresAt,
    })
  })

  test('a certificate expires at the given limit at the latest, and at its usual time if the limit is later', async () => {
    const clock = manualClock(new Date('2026-12-01T00:00:00Z'))
    const soon = new Date('2026-12-01T00:10:00Z')
    expect((await issue({ endsBy: soon }, { clock })).expiresAt).toEqual(soon)
    const late = new Date('2026-12-02T00:00:00Z')
    expect((await issue({ endsBy: late }, { clock })).expiresAt).toEqual(new Date('2026-12-01T01:00:00Z'))
  })

  test('a certificate of a person is issued by the user authority', async () => {
    const { chainDer } = await issue({ kind: 'user', name: 'ada', roles: ['admin'], dnsNames: [] })
    expect(parseIdentity(chainDer[0]!)).toMatchObject({ issuerType: 'user', roles: ['admin'] })
  })

  test('a certificate is recorded before it is signed: a signature that fails leaves a record', async () => {
    await expect(issue({ roles: ['no role for a certificate'] })).rejects.toThrow('roles')
    expect(await recorded()).toHaveLength(1)
  })

  test('a certificate is not signed when it cannot be recorded', async () => {
    let signed = false
    const watched = {
      ...authorities.host.active.issuing,
      get privateKey() {
        signed = true
        return authorities.host.active.issuing.privateKey
      },
    }
    const closed = store.openPool()
    const db = { query: () => Promise.reject(new Error('no database')) } as unknown as typeof closed
    const host = { ...authorities.host, active: { ...authorities.host.active, issuing: watched } }
    await expect(issue({}, { db, authorities: { ...authorities, host } })).rejects.toThrow('no database')
    expect(signed).toBe(false)
    await issue({}, { authorities: { ...authorities, host } })
    expect(signed).toBe(true)
  })

  test('a certificate never outlives the CA that signs it', async () => {
    const clock = manualClock(new Date(authorities.host.active.issuing.expiresAt.getTime() - 30_000))
    await expect(issue({ ttlSeconds: 31 }, { clock })).rejects.toMatchObject({ kind: 'unavailable' })
    expect(await recorded()).toEqual([])
    await issue({ ttlSeconds: 29 }, { clock })
  })

  test('100 certificates that are issued at once all differ', async () => {
    const issued = await Promise.all(Array.from({ length: 100 }, () => issue()))
    expect(new Set(issued.map(({ serial }) => serial)).size).toBe(100)
    expect(await recorded()).toHaveLength(100)
  })

  test('a certificate is deleted from the record thirty days after it expires', async () => {
    await issue({}, { clock: manualClock(new Date(Date.now() - 31 * DAY_MS)) })
    const kept = await issue({}, { clock: manualClock(new Date(Date.now() - 29 * DAY_MS)) })
    await purgeCertificates(store.pool, new AbortController().signal)
    expect((await recorded()).map(({ serial }) => serial.toString('hex'))).toEqual([kept.serial])
  })
})
