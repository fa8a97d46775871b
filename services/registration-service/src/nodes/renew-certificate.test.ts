import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { AppError } from '@muster/domain'
import { parseIdentity, verifyChain } from '@muster/pki'
import type { TestMember } from '@muster/testkit'
import { addNode, refusal, serveRegistration, type Served } from '../../test/support/service.ts'

let served: Served
let node: TestMember

beforeAll(async () => {
  served = await serveRegistration()
})
beforeEach(async () => {
  await served.deps.refusals.close()
  await served.pool.query('truncate nodes, audit_events')
  served.authority.failure = undefined
  served.authority.meanwhile = undefined
  served.authority.signed.length = 0
  node = served.cluster.node()
  await addNode(served.pool, node, { roles: ['node', 'proxy'] })
  await letTimePass()
})
afterAll(async () => {
  await served.close()
})

function renew(member: TestMember = node) {
  return served.client(member).renewCertificate({})
}

/** As if the last certificate had been issued two hours ago: a twentieth of its life of a day is over. */
async function letTimePass(): Promise<void> {
  await served.pool.query(`update nodes set certificate_issued_at = certificate_issued_at - interval '2 hours'`)
  await served.pool.query(`update nodes set certificate_expires_at = certificate_issued_at + interval '24 hours'`)
}

/** The same node with another certificate; by default on the same key, as after a renewal. */
function again(overrides: Partial<Parameters<Served['cluster']['member']>[0]> = {}): TestMember {
  return served.cluster.member({
    kind: 'node',
    name: node.name,
    roles: ['node'],
    privateKey: node.privateKey,
    ...overrides,
  })
}

async function setSerials(current: TestMember, previous: TestMember): Promise<void> {
  await served.pool.query('update nodes set certificate_serial = $1, previous_serial = $2', [
    current.serial,
    previous.serial,
  ])
}

async function refusals() {
  const { rows } = await served.pool.query(
    `select action, reason, actor, node_id, details from audit_events where outcome = 'refused' and action = 'node.renew'`,
  )
  return rows as Record<string, unknown>[]
}

describe('renewals of a node', () => {
  test('a node renews with its last certificate, for the same key, with the roles it was admitted with', async () => {
    const { certificate, trustBundle } = await renew()
    const [leafDer, ...intermediatesDer] = certificate!.chainDer as [Buffer, Buffer]
    expect(verifyChain({ leafDer, intermediatesDer, rootsDer: trustBundle!.hostRootsDer })).toBe(true)
    expect(parseIdentity(leafDer)).toMatchObject({ spiffeId: node.spiffeId, publicKeyDer: node.publicKeyDer })
    expect(served.authority.signed.map(({ request }) => request)).toEqual([
      { nodeId: node.name, roles: ['node', 'proxy'], publicKeyDer: node.publicKeyDer },
    ])
    const { rows } = await served.pool.query(
      'select certificate_serial, previous_serial, certificate_expires_at from nodes',
    )
    expect(rows).toEqual([
      {
        certificate_serial: certificate!.serial,
        previous_serial: node.serial,
        certificate_expires_at: certificate!.expiresAt,
      },
    ])
    const { rows: audits } = await served.pool.query(
      `select actor, outcome, details from audit_events where action = 'node.renew'`,
    )
    expect(audits).toEqual([{ actor: node.spiffeId, outcome: 'ok', details: { serial: certificate!.serial } }])
  })

  test('a node renews with the certificate before the last, since the reply to its last renewal may have been lost', async () => {
    const lost = await renew()
    await letTimePass()
    const { certificate } = await renew()
    const { rows } = await served.pool.query('select certificate_serial, previous_serial from nodes')
    expect(rows).toEqual([{ certificate_serial: certificate!.serial, previous_serial: node.serial }])
    expect(certificate!.serial).not.toBe(lost.certificate!.serial)
  })

  test('a node renews repeatedly, each time with the newest certificate', async () => {
    let current = node
    for (let i = 0; i < 3; i++) {
      await renew(current)
      await letTimePass()
      const next = again()
      await setSerials(next, current)
      current = next
    }
    expect(await refusals()).toEqual([])
  })

  test('a node renews as soon as ca-service is back', async () => {
    served.authority.failure = { error: new AppError('unavailable', 'away'), afterwards: true }
    expect((await refusal(renew())).kind).toBe('unavailable')
    served.authority.failure = undefined
    expect((await renew()).certificate!.serial).not.toBe(node.serial)
    expect(await refusals()).toEqual([])
  })
})

describe('refused renewals of a node', () => {
  async function expectRefused(call: Promise<unknown>, reason: string): Promise<void> {
    expect(await refusal(call)).toMatchObject({ reason })
    expect(served.authority.signed).toEqual([])
    expect(await refusals()).toMatchObject([{ action: 'node.renew', reason, node_id: node.name, actor: node.spiffeId }])
  }

  test('a node with a certificate older than the last two is refused and recorded', async () => {
    await setSerials(again(), again())
    await expectRefused(renew(), 'CERTIFICATE_SUPERSEDED')
  })

  test('a node with a key other than the one it joined with is refused and recorded', async () => {
    const otherKey = served.cluster.node(node.name)
    await setSerials(otherKey, node)
    await expectRefused(renew(otherKey), 'CERTIFICATE_SUPERSEDED')
  })

  test('a node that is not on the roll is refused and recorded', async () => {
    await served.pool.query('truncate nodes')
    await expectRefused(renew(), 'NODE_UNKNOWN')
  })

  test('a node whose join is not complete is refused and recorded', async () => {
    await served.pool.query('update nodes set joined_at = null')
    await expectRefused(renew(), 'NODE_UNKNOWN')
  })

  test('a node whose last certificate is younger than a twentieth of its life is refused and recorded', async () => {
    const { certificate } = await renew()
    served.authority.signed.length = 0
    await expectRefused(renew(), 'RENEWED_JUST_NOW')
    const { rows } = await served.pool.query('select certificate_serial from nodes')
    expect(rows).toEqual([{ certificate_serial: certificate!.serial }])
  })

  test('a node that was superseded while its certificate was signed is refused and recorded', async () => {
    served.authority.meanwhile = () => setSerials(again(), again())
    expect(await refusal(renew())).toMatchObject({ reason: 'CERTIFICATE_SUPERSEDED' })
    expect(await refusals()).toHaveLength(1)
  })

  test('a certificate whose name is not a node id is refused and recorded', async () => {
    const odd = served.cluster.member({ kind: 'node', name: 'web-1' })
    expect(await refusal(renew(odd))).toMatchObject({ kind: 'invalidArgument', field: 'node_id' })
  })
})
