import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { generateKey, publicKeyDer, rootsVouchedFor } from '@muster/pki'
import { systemClock } from '@muster/runtime'
import { ensureAuthorities } from '../authorities/authorities.ts'
import { CurrentAuthorities } from '../authorities/current-authorities.ts'
import { openKey } from '../authorities/sealed-key.ts'
import { issueCertificate } from '../issuing/issue-certificate.ts'
import { trustBundle } from '../rpc/trust-bundle.ts'
import { CLUSTER_NAME, openStore, refusal, type Store } from '../../test/support/service.ts'
import { makeMove, type MoveRequest } from './make-move.ts'
import type { Phase } from './rotation-state.ts'

let store: Store
let replica: CurrentAuthorities

beforeEach(async () => {
  store = await openStore()
  replica = await openReplica()
})
afterEach(async () => {
  await store.close()
})

const openReplica = () => CurrentAuthorities.open(() => ensureAuthorities(store.authorityDeps()))

async function move(to: Phase, request: Partial<MoveRequest> = {}): Promise<void> {
  await makeMove(store.authorityDeps(), { type: 'host', actor: 'test', move: to, ...request })
  await replica.reload()
}

const bundle = () => trustBundle(replica.current, CLUSTER_NAME)

/** Issues a certificate by a replica that has not heard of the last moves. @returns the number of its authority */
async function signedBy(kind: 'node' | 'service' | 'user', by = replica): Promise<number | undefined> {
  const request = { kind, name: 'n', roles: [], dnsNames: [], requestedBy: 'x', ttlSeconds: 60 } as const
  const certificate = await by.use((authorities) =>
    issueCertificate(
      { db: store.pool, authorities, clusterName: CLUSTER_NAME, clock: systemClock },
      { ...request, publicKeyDer: publicKeyDer(generateKey()) },
    ),
  )
  return certificate.authorityNumber
}

describe('a rotation', () => {
  test('a rotation replaces the authority by four moves, and the bundle has both roots meanwhile', async () => {
    const old = replica.current.host.active
    const { version, userRootsDer } = bundle()
    await move('init')
    const next = replica.current.host.next!
    expect(bundle()).toMatchObject({ version: version + 1, hostRootsDer: [old.rootDer, next.rootDer], userRootsDer })
    expect([await signedBy('node'), await signedBy('service')]).toEqual([1, 1])
    await move('update_clients')
    expect(bundle().version).toBe(version + 1)
    expect([await signedBy('node'), await signedBy('service'), await signedBy('user')]).toEqual([2, 1, 1])
    await move('update_servers')
    expect(bundle()).toMatchObject({ version: version + 1, hostRootsDer: [next.rootDer, old.rootDer] })
    expect([await signedBy('node'), await signedBy('service')]).toEqual([2, 2])
    expect(replica.current.host.rotation.rotatedAt).toBeNull()
    await move('standby')
    expect(bundle()).toMatchObject({ version: version + 2, hostRootsDer: [next.rootDer], userRootsDer })
    expect(replica.current.host.rotation.rotatedAt).toEqual(expect.any(Date))
    expect(await signedBy('node')).toBe(2)
  })

  test('a rotation makes each root vouch for the other, and after it only the old one for the new', async () => {
    const old = replica.current.host.active.rootDer
    await move('init')
    const next = replica.current.host.next!.rootDer
    const vouched = (root: Buffer) => rootsVouchedFor([root], bundle().hostRootVouchers?.vouchers ?? [])
    expect(vouched(old)).toEqual([old, next])
    expect(vouched(next)).toEqual([next, old])
    for (const phase of ['update_clients', 'update_servers', 'standby'] as const) await move(phase)
    expect(vouched(old)).toEqual([old, next])
    expect(vouched(next)).toEqual([next])
  })

  test.each<Phase[][]>([[['init']], [['init', 'update_clients']], [['init', 'update_clients', 'update_servers']]])(
    'a rotation that is rolled back after %j ends with the old authority and without the date of a rotation',
    async (phases) => {
      const old = replica.current.host.active
      for (const phase of phases) await move(phase)
      const next = replica.current.host.next!
      await move('rollback')
      expect([await signedBy('node'), await signedBy('service')]).toEqual([1, 1])
      expect(bundle().hostRootsDer).toEqual([old.rootDer, next.rootDer])
      await move('standby')
      expect(bundle().hostRootsDer).toEqual([old.rootDer])
      // The dropped root is no member's root, so nothing leads to it.
      expect(rootsVouchedFor([old.rootDer], bundle().hostRootVouchers?.vouchers ?? [])).toEqual([old.rootDer])
      expect(replica.current.host.rotation).toMatchObject({ rotatedAt: null, startedAt: null })
      await move('init')
      expect(replica.current.host.next!.number).toBe(3)
    },
  )

  test('a rotation destroys the keys of the authority that it drops, and keeps those in use', async () => {
    for (const phase of ['init', 'update_clients', 'update_servers', 'standby'] as const) await move(phase)
    const { rows } = await store.pool.query<{ number: number; key: Buffer; der: Buffer }>(
      `select number, root_key_sealed as key, root_certificate as der from authorities where type = 'host'
        union all
       select number, key_sealed, certificate from issuing_cas join authorities on authorities.id = authority_id
        where type = 'host'`,
    )
    const dropped = rows.filter(({ number }) => number === 1)
    expect(dropped.map(({ key }) => key.length)).toEqual([0, 0])
    for (const { key, der } of rows.filter(({ number }) => number === 2)) openKey(store.keyEncryptionKey, key, der)
    await openReplica()
  })

  test('of 64 callers that make the same move at once, on two replicas, one succeeds', async () => {
    const revision = replica.current.host.rotation.revision
    const pools = [store.openPool(), store.openPool()]
    const outcomes = await Promise.allSettled(
      Array.from({ length: 64 }, (_, index) =>
        makeMove(store.authorityDeps({ pool: pools[index % 2]! }), {
          type: 'host',
          move: 'init',
          revision,
          actor: 'x',
        }),
      ),
    )
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const reasons = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [(outcome.reason as { reason?: string }).reason] : [],
    )
    expect(new Set(reasons)).toEqual(new Set(['ROTATION_MOVED']))
    await replica.reload()
    expect(replica.current.host).toMatchObject({ phase: 'init', next: { number: 2 } })
    const { rows } = await store.pool.query(`select from authorities where type = 'host'`)
    expect(rows).toHaveLength(2)
  })

  test('a rotation of one type leaves the other alone, and both give the bundle versions that only grow', async () => {
    const versions = [bundle().version]
    for (const type of ['user', 'host', 'user', 'host'] as const) {
      await move(replica.current[type].phase === 'standby' ? 'init' : 'rollback', { type })
      versions.push(bundle().version)
    }
    await move('standby', { type: 'user' })
    versions.push(bundle().version)
    expect(versions).toEqual([...versions].sort((a, b) => a - b))
    expect(replica.current).toMatchObject({ host: { phase: 'rollback' }, user: { phase: 'standby' } })
  })

  test('a move that is not allowed changes nothing, and its error names the moves that are allowed', async () => {
    const before = replica.current.revision
    const error = await refusal(move('update_servers'))
    expect(error).toMatchObject({ kind: 'failedPrecondition', reason: 'ROTATION_MOVE_NOT_ALLOWED' })
    expect(error.message).toContain('allowed: init')
    await replica.reload()
    expect(replica.current.revision).toBe(before)
  })

  test('each move is in the audit with its caller', async () => {
    await move('init', { actor: 'spiffe://c/user/ada', remoteAddress: '192.0.2.1' })
    const { rows } = await store.pool.query(
      `select actor, remote_address, details from audit_events where action = 'authority.rotate'`,
    )
    const details = { type: 'host', from: 'standby', to: 'init', automatic: false }
    expect(rows).toEqual([{ actor: 'spiffe://c/user/ada', remote_address: '192.0.2.1', details }])
  })
})

describe('a replica that has not heard of a move', () => {
  test('a replica that has not heard of a move signs nothing by the old authority', async () => {
    const late = await openReplica()
    await move('init')
    await move('update_clients')
    expect(late.current.host.phase).toBe('standby')
    expect(await signedBy('node', late)).toBe(2)
    expect(late.current.host.phase).toBe('update_clients')
    const { rows } = await store.pool.query<{ number: number }>(
      `select number from certificates
         join issuing_cas on issuing_cas.id = issuing_ca_id
         join authorities on authorities.id = authority_id`,
    )
    expect(rows).toEqual([{ number: 2 }])
  })

  test('a replica that has nothing to sign hears of a move by asking for the revision', async () => {
    const late = await openReplica()
    let heard = 0
    late.onChange(() => (heard += 1))
    const { revision } = replica.current
    await late.follow(async () => revision)
    expect(heard).toBe(0)
    await move('init')
    await late.follow(async () => replica.current.revision)
    expect(heard).toBe(1)
    expect(late.current.host.phase).toBe('init')
  })
})
