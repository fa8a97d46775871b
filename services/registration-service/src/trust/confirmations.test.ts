import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { randomUUID } from 'node:crypto'
import { confirmations as contract, registration } from '@muster/contracts'
import { chainPem } from '@muster/pki'
import { eventually } from '@muster/testkit'
import { connectionsTo, serveForTest } from '@muster/testkit/rpc'
import { recordRenewal } from '../nodes/store/renewal.ts'
import { addNode, granted, refusal, serveRegistration, type Served } from '../../test/support/service.ts'
import { selectConfirmations, selectUnconfirmed } from './confirmation-rows.ts'
import { confirmationService } from './service.ts'

let served: Served

beforeAll(async () => {
  served = await serveRegistration()
})
beforeEach(async () => {
  await served.pool.query('truncate nodes, bots, bot_keys, users')
  Object.assign(served.authority, { version: 7, otherRootsDer: [], signers: { node: 1, service: 1, user: 1 } })
})
afterAll(async () => {
  await served.close()
})

const DAY_MS = 86_400_000
const wanted = { trustVersion: 8, nodeAuthority: 2, userAuthority: 1 }

/** Begins a rotation: both roots are trusted, and the next authority signs for nodes. */
function rotate(): void {
  const otherRootsDer = [served.cluster.authorities.user.root.certificateDer]
  Object.assign(served.authority, { version: 8, otherRootsDer, signers: { node: 2, service: 1, user: 1 } })
}

/** Says hello as a node. @returns the first answer */
async function hello(
  member: Parameters<Served['connect']>[0],
  trustBundleVersion?: number,
): Promise<registration.HeartbeatResponse> {
  const answers: registration.HeartbeatResponse[] = []
  const method = registration.RegistrationServiceService.heartbeat
  const stream = served.connect(member).duplex(method, (answer) => void answers.push(answer))
  const facts = { version: '1.0.0', hostname: 'web-1', labels: {}, advertisedAddress: '', os: 'linux' }
  const value = { ...facts, ...(trustBundleVersion !== undefined && { trustBundleVersion }) }
  stream.send({ message: { $case: 'hello', value } })
  await eventually('answered', () => answers.length > 0)
  await stream.end()
  return answers[0]!
}

describe('a node during a rotation', () => {
  test('a node whose certificate another authority signed is told to renew, within a time that grows with the fleet', async () => {
    const member = served.cluster.node()
    await addNode(served.pool, member)
    expect(await hello(member, 7)).toMatchObject({ renewNow: false, trustBundleVersion: 7 })
    rotate()
    expect(await hello(member, 8)).toMatchObject({ renewNow: true, renewWithinMs: 5_000, trustBundleVersion: 8 })
    served.pace.setFleetSize(10_000)
    expect(await hello(member, 8)).toMatchObject({ renewWithinMs: 200_000 })
    served.pace.setFleetSize(0)
  })

  test('a node may renew although its certificate is new, once, and then has the right certificate', async () => {
    const member = served.cluster.node()
    await addNode(served.pool, member)
    const renew = (by: Parameters<Served['client']>[0]) => served.client(by).renewCertificate({})
    expect(await refusal(renew(member))).toMatchObject({ reason: 'RENEWED_JUST_NOW' })
    rotate()
    const reply = await renew(member)
    expect(reply).toMatchObject({ certificate: { authorityNumber: 2 }, trustBundle: { version: 8 } })
    const own = { keyPem: member.own.keyPem, chainPem: chainPem(reply.certificate!.chainDer) }
    const renewed = { ...member, own }
    expect(await refusal(renew(renewed))).toMatchObject({ reason: 'RENEWED_JUST_NOW' })
    expect(await hello(renewed, 8)).toMatchObject({ renewNow: false })
    expect(await selectConfirmations(served.pool, 'node', wanted)).toEqual({ confirmed: 1, waiting: 0 })
  })
})

describe('the confirmations of nodes', () => {
  const missing = async () => {
    const [found] = await selectUnconfirmed(served.pool, 'node', wanted, 10)
    return found && [found.hasBundle, found.hasCertificate]
  }
  const count = () => selectConfirmations(served.pool, 'node', wanted)

  test('a node has confirmed once its hello shows the bundle and the certificate of the phase', async () => {
    const member = served.cluster.node()
    await addNode(served.pool, member)
    await hello(member, 7)
    expect([await count(), await missing()]).toEqual([{ confirmed: 0, waiting: 1 }, [false, false]])
    await hello(member, 8)
    expect([await count(), await missing()]).toEqual([{ confirmed: 0, waiting: 1 }, [true, false]])
    const next = served.cluster.member({ kind: 'node', name: member.name, privateKey: member.privateKey })
    const inADay = new Date(Date.now() + DAY_MS)
    const shown = { shownSerial: member.serial, shownExpiresAt: inADay, lastSerial: member.serial }
    const renewal = { id: member.name, actor: 'x', remoteAddress: '::1', ...shown }
    const trust = { authorityNumber: 2, trustVersion: 8 }
    await recordRenewal(served.pool, { ...renewal, ...granted(next.serial, inADay, trust) })
    // The renewal's answer may be lost: only a hello with the new certificate counts.
    expect([await count(), await missing()]).toEqual([{ confirmed: 0, waiting: 1 }, [true, false]])
    await hello(next, 8)
    expect([await count(), await missing()]).toEqual([{ confirmed: 1, waiting: 0 }, undefined])
  })

  test('an agent that does not tell its bundle has the one that came with the certificate that it shows', async () => {
    const member = served.cluster.node()
    await addNode(served.pool, member)
    await hello(member)
    const of = (trustVersion: number) =>
      selectConfirmations(served.pool, 'node', { ...wanted, nodeAuthority: 1, trustVersion })
    expect(await of(7)).toEqual({ confirmed: 1, waiting: 0 })
    expect(await of(8)).toEqual({ confirmed: 0, waiting: 1 })
  })

  test('a node whose certificate has expired, and a node that was removed, do not count', async () => {
    const [expired, removed] = [served.cluster.node(), served.cluster.node()]
    for (const member of [expired, removed]) await addNode(served.pool, member)
    await served.pool.query(`update nodes set certificate_expires_at = now() where id = $1`, [expired.name])
    await served.pool.query(`update nodes set joined_at = null, removed_at = now() where id = $1`, [removed.name])
    expect(await count()).toEqual({ confirmed: 0, waiting: 0 })
  })
})

describe('the confirmations of bots and people', () => {
  test('a bot has confirmed with the certificate and the bundle of its last renewal, and a locked one does not count', async () => {
    const add = (id: string, locked: boolean) =>
      served.pool.query(
        `insert into bots (id, name, hostname, remote_address, token_id, joined_at, certificate_issued_at,
                           certificate_expires_at, certificate_authority, trust_version, locked_at)
         values ($1, 'ci', 'h', '::1', 't', now(), now(), now() + interval '1 hour', 1, 8, $2)`,
        [id, locked ? new Date() : null],
      )
    const id = randomUUID()
    await add(id, false)
    await add(randomUUID(), true)
    expect(await selectConfirmations(served.pool, 'bot', wanted)).toEqual({ confirmed: 0, waiting: 1 })
    await served.pool.query('update bots set certificate_authority = 2 where id = $1', [id])
    expect(await selectConfirmations(served.pool, 'bot', wanted)).toEqual({ confirmed: 1, waiting: 0 })
  })

  test('a person has confirmed with a certificate of the user authority of the phase', async () => {
    await served.pool.query(
      `insert into users (name, roles, created_by, key_fingerprint, certificate_expires_at)
       values ('ada', '{admin}', 'x', 'k', now() + interval '1 hour'), ('bob', '{admin}', 'x', null, null)`,
    )
    expect(await selectConfirmations(served.pool, 'user', wanted)).toEqual({ confirmed: 1, waiting: 0 })
    const next = { ...wanted, userAuthority: 2 }
    expect(await selectConfirmations(served.pool, 'user', next)).toEqual({ confirmed: 0, waiting: 1 })
    expect(await selectUnconfirmed(served.pool, 'user', next, 10)).toMatchObject([{ kind: 'user', name: 'ada' }])
  })
})

describe('CountConfirmations', () => {
  test('CountConfirmations counts each kind asked for, and names who is late and whether they are online', async () => {
    const server = await serveForTest({
      clusterName: served.cluster.clusterName,
      identity: served.cluster.service('registration-service'),
      services: [confirmationService(served.deps)],
    })
    const { connect, closeAll } = connectionsTo(server, 'registration-service')
    const client = connect(served.cluster.service('ca-service')).client(contract.ConfirmationServiceService)
    const [here, away] = [served.cluster.node(), served.cluster.node()]
    for (const member of [here, away]) await addNode(served.pool, member)
    served.presence.beat(here.name, 60_000)
    const request = { trustBundleVersion: 8, nodeAuthority: 2, userAuthority: 1, kinds: ['node', 'user'], limit: 10 }
    await eventually('online', async () => {
      const { unconfirmed } = await client.countConfirmations(request)
      return unconfirmed.some(({ isOnline }) => isOnline)
    })
    const reply = await client.countConfirmations(request)
    expect(reply.confirmations).toEqual([
      { kind: 'node', confirmed: 0, waiting: 2 },
      { kind: 'user', confirmed: 0, waiting: 0 },
    ])
    expect(reply.unconfirmed.find(({ isOnline }) => isOnline)!.id).toBe(here.name)
    const bad = await refusal(client.countConfirmations({ ...request, kinds: ['service'] }))
    expect(bad).toMatchObject({ kind: 'invalidArgument', field: 'kinds' })
    const node = connect(here).client(contract.ConfirmationServiceService)
    expect(await refusal(node.countConfirmations(request))).toMatchObject({ kind: 'permissionDenied' })
    closeAll()
    await server.close()
  })
})
