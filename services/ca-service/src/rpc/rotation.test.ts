import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import type { ca } from '@muster/contracts'
import { generateKey, publicKeyDer, spkiPin } from '@muster/pki'
import { BREAK_GLASS } from '@muster/domain'
import { manualClock } from '@muster/testkit'
import { issueCertificate } from '../issuing/issue-certificate.ts'
import { driveRotations } from '../rotation/automatic-rotation.ts'
import { recordReplica } from '../rotation/replica-rows.ts'
import { CLUSTER_NAME, DAY_MS, refusal, serveCa, type Served } from '../../test/support/service.ts'

let served: Served

beforeEach(async () => {
  served = await serveCa()
})
afterEach(async () => {
  await served.close()
})

const admin = () => served.client(served.cluster.user('ada', 'admin'))

function move(phase: string, request: Partial<ca.MoveRotationRequest> = {}): Promise<ca.MoveRotationResponse> {
  const nothing = { revision: 0, force: false, automaticForSeconds: 0, dryRun: false }
  return admin().moveRotation({ type: 'host', phase, ...nothing, ...request })
}

async function hostRotation(): Promise<ca.Rotation> {
  const { rotations } = await admin().listRotations({})
  return rotations.find(({ type }) => type === 'host')!
}

/** Has registration-service say that so many nodes have confirmed, and so many have not. */
function nodes(confirmed: number, waiting: number): void {
  served.members.confirmations = [{ kind: 'node', confirmed, waiting }]
}

async function replica(trustVersion: number, authorityNumber: number): Promise<void> {
  const id = '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11'
  await recordReplica(served.pool, { id, service: 'token-service', hostname: 'h', trustVersion, authorityNumber })
}

describe('MoveRotation', () => {
  test('MoveRotation goes through all phases while everyone confirms, and shows both pins meanwhile', async () => {
    nodes(3, 0)
    const old = spkiPin(served.authorities.host.rootDer)
    const { rotation } = await move('init')
    expect(rotation).toMatchObject({
      phase: 'init',
      allowedMoves: ['update_clients', 'rollback'],
      pins: [old, expect.any(String)],
    })
    for (const phase of ['update_clients', 'update_servers']) {
      expect((await move(phase)).rotation).toMatchObject({ phase, pins: expect.arrayContaining([old]) })
    }
    const done = (await move('standby')).rotation!
    expect(done).toMatchObject({ phase: 'standby', pins: [rotation!.pins[1]], rotatedAt: expect.any(Date) })
    const { rows } = await served.pool.query(
      `select actor, details->>'to' as "to" from audit_events where action = 'authority.rotate' order by id`,
    )
    expect(rows.map(({ to }) => to as string)).toEqual(['init', 'update_clients', 'update_servers', 'standby'])
    expect(rows[0]).toMatchObject({ actor: `spiffe://${CLUSTER_NAME}/user/ada` })
  })

  test.each([
    ['a node', async () => nodes(2, 1), '1 node'],
    ['a service without the bundle', () => replica(1, 1), '1 service'],
  ])(
    'MoveRotation leaves nobody behind: %s that has not confirmed stops it, unless it is forced',
    async (_what, lag, said) => {
      await move('init')
      await lag()
      const error = await refusal(move('update_clients'))
      expect(error).toMatchObject({ kind: 'failedPrecondition', reason: 'ROTATION_NOT_CONFIRMED' })
      expect(error.message).toContain(said)
      expect((await hostRotation()).phase).toBe('init')
      expect((await move('update_clients', { force: true })).rotation!.phase).toBe('update_clients')
    },
  )

  test('MoveRotation does not move forward while nobody can say who has confirmed', async () => {
    await move('init')
    served.members.fails = 'registration-service is away'
    expect((await refusal(move('update_clients'))).message).toContain('registration-service is away')
    expect(await hostRotation()).toMatchObject({ unknown: expect.stringContaining('away') })
    expect((await move('rollback')).rotation!.phase).toBe('rollback')
  })

  test('MoveRotation rolls back although members have not confirmed, and drops the new root only once they have', async () => {
    await move('init')
    nodes(0, 5)
    await move('rollback')
    expect(await refusal(move('standby'))).toMatchObject({ reason: 'ROTATION_NOT_CONFIRMED' })
    nodes(5, 0)
    expect((await move('standby')).rotation).toMatchObject({ phase: 'standby', rotatedAt: undefined })
  })

  test('MoveRotation with dry_run checks and changes nothing', async () => {
    const before = (await hostRotation()).revision
    expect((await move('init', { dryRun: true })).rotation).toMatchObject({ phase: 'standby', revision: before })
    expect(await refusal(move('standby', { dryRun: true }))).toMatchObject({ reason: 'ROTATION_MOVE_NOT_ALLOWED' })
    expect((await hostRotation()).revision).toBe(before)
  })

  test('MoveRotation refuses a revision that is out of date', async () => {
    const { revision } = await hostRotation()
    await move('init', { revision })
    expect(await refusal(move('rollback', { revision }))).toMatchObject({ kind: 'aborted', reason: 'ROTATION_MOVED' })
  })

  test.each<[string, Partial<ca.MoveRotationRequest>]>([
    ['type', { type: 'db' }],
    ['phase', { phase: 'done' }],
    ['automatic_for_seconds', { phase: 'standby', automaticForSeconds: 60 }],
    ['automatic_for_seconds', { automaticForSeconds: 91 * 86_400 }],
  ])('MoveRotation refuses a bad %s', async (field, request) => {
    expect(await refusal(move('init', request))).toMatchObject({ kind: 'invalidArgument', field })
  })

  test('MoveRotation of the user authority waits for break-glass operators, whom no roll knows', async () => {
    const issue = (name: string, roles: string[]) =>
      served.current.use((authorities) =>
        issueCertificate(
          { db: served.pool, authorities, clusterName: CLUSTER_NAME, clock: manualClock(new Date()) },
          {
            kind: 'user',
            name,
            roles,
            dnsNames: [],
            publicKeyDer: publicKeyDer(generateKey()),
            ttlSeconds: 3_600,
            requestedBy: 'x',
          },
        ),
      )
    served.members.confirmations = [{ kind: 'user', confirmed: 0, waiting: 0 }]
    await issue('root', ['admin', BREAK_GLASS])
    await issue('bob', ['admin'])
    await move('init', { type: 'user' })
    await move('update_clients', { type: 'user' })
    const { rotations } = await admin().listRotations({})
    const user = rotations.find(({ type }) => type === 'user')!
    expect(user.unconfirmed.map(({ name }) => name)).toEqual(['root (break-glass)'])
    expect(await refusal(move('update_servers', { type: 'user' }))).toMatchObject({ reason: 'ROTATION_NOT_CONFIRMED' })
    await issue('root', ['admin', BREAK_GLASS])
    expect((await move('update_servers', { type: 'user' })).rotation!.phase).toBe('update_servers')
  })
})

describe('ListRotations', () => {
  test('ListRotations names who has not confirmed, with what they lack', async () => {
    await move('init')
    await replica(1, 1)
    const late = {
      kind: 'node',
      id: randomUUID(),
      name: 'web-1',
      lastSeenAt: new Date(0),
      certificateExpiresAt: new Date(),
      hasBundle: false,
      hasCertificate: true,
      isOnline: false,
    }
    Object.assign(served.members, { confirmations: [{ kind: 'node', confirmed: 4, waiting: 1 }], unconfirmed: [late] })
    const found = await hostRotation()
    expect(found.confirmations).toEqual([
      { kind: 'service', confirmed: 0, waiting: 1 },
      { kind: 'node', confirmed: 4, waiting: 1 },
    ])
    expect(found.unconfirmed).toMatchObject([{ kind: 'service', id: 'token-service', hasBundle: false }, late])
    await replica(2, 1)
    expect((await hostRotation()).confirmations[0]).toEqual({ kind: 'service', confirmed: 1, waiting: 0 })
  })

  test('ListRotations shows no progress in standby', async () => {
    nodes(0, 3)
    expect(await hostRotation()).toMatchObject({ phase: 'standby', confirmations: [], unconfirmed: [], halted: '' })
  })
})

describe('automatic mode', () => {
  const clock = manualClock(new Date())
  const drive = () =>
    driveRotations({
      pool: served.pool,
      authorities: served.current,
      authorityDeps: served.authorityDeps({ clock }),
      register: served.register,
    })

  test('automatic mode makes each move once everyone has confirmed, and ends in standby', async () => {
    nodes(0, 1)
    await move('init', { automaticForSeconds: 3_600 })
    const phases: string[] = []
    for (const _ of Array.from({ length: 6 })) {
      await drive()
      phases.push((await hostRotation()).phase)
      // A phase is confirmed after automatic mode has looked once in vain.
      nodes(1, 0)
    }
    expect(phases).toEqual(['init', 'update_clients', 'update_servers', 'standby', 'standby', 'standby'])
    expect(await hostRotation()).toMatchObject({ automatic: false, graceEndsAt: undefined, halted: '' })
  })

  test('automatic mode stops at the end of its grace period, says who has not confirmed, and cuts nobody off', async () => {
    nodes(7, 2)
    await move('init', { automaticForSeconds: 3_600 })
    await drive()
    expect(await hostRotation()).toMatchObject({ phase: 'init', automatic: true, halted: '' })
    await clock.advance(DAY_MS)
    await drive()
    await drive()
    const halted = expect.stringContaining('2 node')
    expect(await hostRotation()).toMatchObject({ phase: 'init', automatic: false, halted })
    const { rows } = await served.pool.query(
      `select details from audit_events where action = 'authority.rotation-halt'`,
    )
    expect(rows).toHaveLength(1)
    // A person goes on by hand.
    nodes(9, 0)
    expect((await move('update_clients')).rotation).toMatchObject({ automatic: false, halted: '' })
  })

  test('automatic mode of two replicas makes each move once', async () => {
    nodes(1, 0)
    await move('init', { automaticForSeconds: 3_600 })
    await Promise.all(Array.from({ length: 8 }, drive))
    expect((await hostRotation()).phase).toBe('update_clients')
  })

  test('automatic mode does not touch a rotation that is made by hand', async () => {
    nodes(1, 0)
    await move('init')
    await drive()
    expect((await hostRotation()).phase).toBe('init')
  })
})
