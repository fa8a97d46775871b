import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { dersFromPem, parseIdentity, verifyChain } from '@muster/pki'
import type { TlsIdentity } from '@muster/rpc'
import { systemClock } from '@muster/runtime'
import { eventually, manualClock } from '@muster/testkit'
import { ensureAuthorities } from '../authorities/authorities.ts'
import { CurrentAuthorities } from '../authorities/current-authorities.ts'
import type { Deps } from '../deps.ts'
import { makeMove } from '../rotation/make-move.ts'
import { liveReplicas } from '../rotation/replica-rows.ts'
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

  test('ca-service trusts both roots once a rotation has started, and presents the new authority when services do', async () => {
    const authorities = await CurrentAuthorities.open(() => ensureAuthorities(store.authorityDeps()))
    const config = {
      MUSTER_CLUSTER_NAME: CLUSTER_NAME,
      MUSTER_TLS_DNS_NAMES: [],
      MUSTER_SERVICE_CERTIFICATE_TTL_SECONDS: 86_400,
    }
    const deps = { config, pool: store.pool, clock: systemClock, authorities } as unknown as Deps
    const stop = new AbortController()
    const identity = await issueOwnIdentity(deps, silentLog, stop.signal)
    const first = leafOf(identity.tls).serial
    const move = async (to: 'init' | 'update_clients' | 'update_servers') => {
      await makeMove(store.authorityDeps(), { type: 'host', move: to, actor: 'test' })
      await authorities.reload()
    }
    await move('init')
    expect(dersFromPem(identity.tls.current.hostRootsPem)).toHaveLength(2)
    await move('update_clients')
    expect(leafOf(identity.tls).serial).toBe(first)
    await move('update_servers')
    await eventually('renewed', () => leafOf(identity.tls).serial !== first)
    expect(leafOf(identity.tls).issuingDer).toEqual(authorities.current.host.next!.issuing.certificateDer)
    // The replicas of the tests before are alive for another 15 s.
    await store.pool.query('delete from replicas')
    await identity.confirm()
    expect(await liveReplicas(store.pool)).toMatchObject([{ service: 'ca-service', authorityNumber: 2 }])
    stop.abort()
  })
})
