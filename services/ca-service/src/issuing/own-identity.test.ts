import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { dersFromPem, parseIdentity, verifyChain } from '@muster/pki'
import type { TlsIdentity } from '@muster/rpc'
import { eventually, manualClock } from '@muster/testkit'
import { ensureAuthorities } from '../authorities/authorities.ts'
import { CurrentAuthorities } from '../authorities/current-authorities.ts'
import type { Deps } from '../deps.ts'
import { issueOwnIdentity } from './own-identity.ts'
import { CLUSTER_NAME, openStore, silentLog, type Store } from '../../test/support/service.ts'

const DAY_MS = 86_400_000
let store: Store

beforeAll(async () => {
  store = await openStore()
})
afterAll(async () => {
  await store.close()
})

function leafOf(identity: TlsIdentity) {
  const [leafDer, issuingDer] = dersFromPem(identity.current.own!.chainPem) as [Buffer, Buffer]
  return { leafDer, issuingDer, ...parseIdentity(leafDer) }
}

describe('ca-service', () => {
  test('ca-service signs its own certificate, records it, and renews it before it expires', async () => {
    const clock = manualClock()
    const authorities = await CurrentAuthorities.open(() => ensureAuthorities(store.authorityDeps({ clock })))
    const config = {
      MUSTER_CLUSTER_NAME: CLUSTER_NAME,
      MUSTER_TLS_DNS_NAMES: ['ca.example'],
      MUSTER_SERVICE_CERTIFICATE_TTL_SECONDS: 86_400,
    }
    const deps = { config, pool: store.pool, clock, authorities } as unknown as Deps
    const stop = new AbortController()
    const { tls: identity } = await issueOwnIdentity(deps, silentLog, stop.signal)

    const first = leafOf(identity)
    expect(first).toMatchObject({
      spiffeId: `spiffe://${CLUSTER_NAME}/service/ca-service`,
      dnsNames: ['ca-service', `ca-service.${CLUSTER_NAME}`, 'ca.example'],
    })
    const rootsDer = [authorities.current.host.active.rootDer]
    expect(verifyChain({ leafDer: first.leafDer, intermediatesDer: [first.issuingDer], rootsDer })).toBe(true)

    await clock.advance(0.49 * DAY_MS)
    expect(leafOf(identity).serial).toBe(first.serial)
    // Signed by the issuing CA that is the newest at that time.
    await clock.advance(0.01 * DAY_MS)
    await store.pool.query('delete from certificates')
    await store.pool.query('delete from issuing_cas')
    await authorities.reload()
    await clock.advance(0.31 * DAY_MS)
    await eventually('renewed', () => leafOf(identity).serial !== first.serial)
    const second = leafOf(identity)
    expect(second.publicKeyDer).toEqual(first.publicKeyDer)
    expect(second.issuingDer).toEqual(authorities.current.host.active.issuing.certificateDer)
    const { rows } = await store.pool.query<{ serial: Buffer }>('select serial from certificates')
    expect(rows.map(({ serial }) => serial.toString('hex'))).toEqual([second.serial])
    const events = await store.pool.query(
      `select action, details->>'serial' as serial from audit_events where actor = 'ca-service' and action like 'service.%' order by id`,
    )
    expect(events.rows).toEqual([
      { action: 'service.enroll', serial: first.serial },
      { action: 'service.renew', serial: second.serial },
    ])
    stop.abort()
  })
})
