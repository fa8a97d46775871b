import type { KeyObject } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { generateKey, parseIdentity, signChallenge } from '@muster/pki'
import { testCluster, type MemberRequest, type TestMember } from '@muster/testkit'
import { addNode, refusal, serveRegistration, type Served } from '../../test/support/service.ts'

const HOUR_MS = 3_600_000

let served: Served
let node: TestMember

beforeAll(async () => {
  served = await serveRegistration()
})
beforeEach(async () => {
  await served.deps.refusals.close()
  await served.pool.query('truncate nodes, node_serials, audit_events')
  await served.forgetRefusals()
  served.authority.meanwhile = undefined
  node = expired()
  await addNode(served.pool, node, { roles: ['node', 'proxy'] })
  await expireOnTheRoll(1)
})
afterAll(async () => {
  await served.close()
})

const hoursAgo = (hours: number) => new Date(Date.now() - hours * HOUR_MS)

/** A node whose certificate ended an hour ago. */
function expired(overrides: Partial<MemberRequest> = {}, cluster = served.cluster): TestMember {
  const { name } = served.cluster.node()
  return cluster.member({ kind: 'node', name, notBefore: hoursAgo(25), notAfter: hoursAgo(1), ...overrides })
}

/** As if the last certificate on the roll had ended so many days ago. */
function expireOnTheRoll(days: number) {
  return served.pool.query(
    `update nodes set certificate_expires_at = now() - $1 * interval '1 day',
                      certificate_issued_at = now() - ($1 + 1) * interval '1 day'`,
    [days],
  )
}

const client = () => served.client(served.cluster.anonymous())

function ask({ chainDer }: Shown = node, challengeSignature: Buffer = Buffer.alloc(0)) {
  return client().recoverCertificate({ formerChainDer: chainDer, challengeSignature })
}

/** What a caller shows. */
interface Shown {
  chainDer: Buffer[]
}

async function recover(member: TestMember = node, key: KeyObject = member.privateKey) {
  const { challenge } = await ask(member)
  return ask(member, signChallenge(key, challenge))
}

async function audits() {
  await served.deps.refusals.close()
  const { rows } = await served.pool.query(
    'select action, actor, outcome, reason, node_id from audit_events order by id',
  )
  return rows.slice(1) as Record<string, unknown>[]
}

describe('a node whose certificate has expired', () => {
  test('a node that proves its key gets another certificate for it, with its id and its roles, and spends no token', async () => {
    served.tokens.spends.length = 0
    const { certificate, challenge } = await recover()
    expect(challenge).toHaveLength(0)
    expect(parseIdentity(certificate!.chainDer[0]!)).toMatchObject({
      spiffeId: node.spiffeId,
      publicKeyDer: node.publicKeyDer,
    })
    expect(served.authority.signed.at(-1)!.request).toMatchObject({ nodeId: node.name, roles: ['node', 'proxy'] })
    expect(served.tokens.spends).toEqual([])
    expect(await audits()).toEqual([
      { action: 'node.recover', actor: node.spiffeId, outcome: 'ok', reason: null, node_id: node.name },
    ])
    const { rows } = await served.pool.query('select certificate_serial, previous_serial from nodes')
    expect(rows).toEqual([{ certificate_serial: certificate!.serial, previous_serial: node.serial }])
  })

  test('a node with an Ed25519 key recovers too', async () => {
    node = expired({ privateKey: generateKey('ed25519') })
    await addNode(served.pool, node)
    await expireOnTheRoll(1)
    await expect(recover()).resolves.toMatchObject({ certificate: { serial: expect.any(String) } })
  })

  test('a node whose reply was lost recovers again, but not at once', async () => {
    await recover()
    expect(await refusal(recover())).toMatchObject({ kind: 'resourceExhausted', reason: 'RENEWED_JUST_NOW' })
    await expireOnTheRoll(1)
    await recover()
  })

  test('a node recovers with the certificate that it got after the backup from which the database was restored', async () => {
    await expireOnTheRoll(60)
    const later = expired({ name: node.name, privateKey: node.privateKey })
    await expect(recover(later)).resolves.toMatchObject({ certificate: { serial: expect.any(String) } })
  })
})

describe('proofs that are refused', () => {
  test('a copy of a request is useless once it was served', async () => {
    const { challenge } = await ask()
    const signature = signChallenge(node.privateKey, challenge)
    await ask(node, signature)
    await expireOnTheRoll(1)
    expect(await refusal(ask(node, signature))).toMatchObject({ kind: 'aborted' })
    await ask()
    expect(await refusal(ask(node, signature))).toMatchObject({ reason: 'RECOVERY_NOT_PROVED' })
  })

  test('a signature by another key is refused, and uses the challenge up', async () => {
    expect(await refusal(recover(node, generateKey()))).toMatchObject({ reason: 'RECOVERY_NOT_PROVED' })
    const { rows } = await served.pool.query('select recovery_challenge from nodes')
    expect(rows).toEqual([{ recovery_challenge: null }])
    expect(await audits()).toMatchObject([
      { action: 'node.recover', reason: 'RECOVERY_NOT_PROVED', node_id: node.name },
    ])
  })

  test('a challenge is good for a minute', async () => {
    const { challenge } = await ask()
    await served.pool.query(`update nodes set recovery_challenge_at = now() - interval '61 seconds'`)
    expect(await refusal(ask(node, signChallenge(node.privateKey, challenge)))).toMatchObject({ kind: 'aborted' })
  })

  test('a stranger who has the certificate, which is no secret, cannot make the challenge of the node useless', async () => {
    const { challenge } = await ask()
    expect((await ask()).challenge).toEqual(challenge)
    await ask(node, signChallenge(node.privateKey, challenge))
  })

  test('of 64 callers with one challenge at once, on two replicas, one is served', async () => {
    const other = await served.addReplica()
    const { challenge } = await ask()
    const challengeSignature = signChallenge(node.privateKey, challenge)
    const calls = Array.from({ length: 64 }, (_, i) =>
      [served, other][i % 2]!.client(served.cluster.anonymous()).recoverCertificate({
        formerChainDer: node.chainDer,
        challengeSignature,
      }),
    )
    const done = (await Promise.allSettled(calls)).filter(({ status }) => status === 'fulfilled')
    expect(done).toHaveLength(1)
  })

  test.each<[string, () => Shown]>([
    ['bytes that are none', () => ({ chainDer: [Buffer.from('junk')] })],
    ['the certificate of a bot', () => expired({ kind: 'bot', name: 'ci' })],
    ['the certificate of a node of another cluster', () => expired({ name: node.name }, testCluster())],
  ])('%s is refused, and nothing is signed', async (_what, shown) => {
    served.authority.signed.length = 0
    expect(await refusal(ask(shown()))).toMatchObject({ kind: 'unauthenticated', reason: 'RECOVERY_NOT_PROVED' })
    expect(served.authority.signed).toEqual([])
  })

  test('a request without a certificate is told so', async () => {
    expect(await refusal(ask({ chainDer: [] }))).toMatchObject({ kind: 'invalidArgument', field: 'former_chain_der' })
  })

  test('a certificate that has not expired is told to renew', async () => {
    const fresh = served.cluster.node(node.name)
    expect(await refusal(ask(fresh))).toMatchObject({ kind: 'invalidArgument', field: 'former_chain_der' })
  })
})

describe('nodes that may not recover', () => {
  test.each([
    ['is banned', 'banned_at = now()', 'NODE_BANNED'],
    ['was removed', 'joined_at = null, removed_at = now()', 'NODE_UNKNOWN'],
    ['counts as cloned', 'cloned_at = now()', 'NODE_CLONED'],
    ['has another key', `key_fingerprint = '\\x00'`, 'CERTIFICATE_SUPERSEDED'],
  ])('a node that %s does not recover, and the audit says why', async (_what, change, reason) => {
    await served.pool.query(`update nodes set ${change}`)
    expect(await refusal(recover())).toMatchObject({ reason })
    expect(await audits()).toMatchObject([{ action: 'node.recover', outcome: 'refused', reason, node_id: node.name }])
  })

  test('a node whose certificate expired before the recovery window does not recover, and a window of 0 lets none recover', async () => {
    for (const recoveryWindowSeconds of [1_800, 0]) {
      Object.assign(served.deps, { recoveryWindowSeconds })
      expect(await refusal(recover())).toMatchObject({ reason: 'RECOVERY_TOO_LATE' })
    }
    Object.assign(served.deps, { recoveryWindowSeconds: 7_200 })
    await recover()
    Object.assign(served.deps, { recoveryWindowSeconds: 30 * 86_400 })
  })

  test('an older certificate than the last one in use marks the node as cloned', async () => {
    await served.pool.query(
      `update nodes set certificate_serial = 'ff', previous_serial = $1, used_serial = 'ff', used_at = now() - interval '1 hour'`,
      [node.serial],
    )
    expect(await refusal(recover())).toMatchObject({ reason: 'CERTIFICATE_SUPERSEDED' })
    const { rows } = await served.pool.query('select cloned_from from nodes')
    expect(rows).toEqual([{ cloned_from: ['127.0.0.1'] }])
  })

  test('a node that is banned while its certificate is signed gets none', async () => {
    served.authority.meanwhile = async () => void (await served.pool.query('update nodes set banned_at = now()'))
    expect((await refusal(recover())).kind).toBe('aborted')
  })
})
