import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { parseIdentity } from '@muster/pki'
import { eventually, type TestMember } from '@muster/testkit'
import {
  addNode,
  contract,
  granted,
  NodeStatus,
  refusal,
  serveRegistration,
  type Replica,
  type Served,
} from '../../test/support/service.ts'
import { activateNode } from '../nodes/store/joining.ts'
import { purgeSerials } from './clone-store.ts'

let served: Served
let warning: Served
let first: TestMember
const open: { cancel(): void }[] = []

beforeAll(async () => {
  served = await serveRegistration()
  warning = await serveRegistration({ clonePolicy: 'warn' })
})
beforeEach(async () => {
  for (const { deps, pool } of [served, warning]) {
    await deps.refusals.close()
    await pool.query('truncate nodes, node_serials, audit_events')
  }
  first = await joined(served)
})
afterEach(() => {
  for (const stream of open.splice(0)) stream.cancel()
  served.authority.meanwhile = undefined
})
afterAll(async () => {
  await served.close()
  await warning.close()
})

async function joined({ cluster, pool }: Served): Promise<TestMember> {
  const node = cluster.node()
  await addNode(pool, node)
  await letTimePass(pool)
  return node
}

/** As if the last certificate had been issued long enough ago to be renewed, and been in use for longer than a minute. */
async function letTimePass(pool = served.pool): Promise<void> {
  await pool.query(`update nodes set certificate_issued_at = now() - interval '2 hours',
                                     used_at = used_at - interval '2 minutes'`)
}

/** Renews, and returns the node with the certificate that it got. */
async function renew(member: TestMember, at: Served = served): Promise<TestMember> {
  const { certificate } = await at.client(member).renewCertificate({})
  await letTimePass(at.pool)
  const { privateKey, name } = member
  const [leafDer] = certificate!.chainDer as [Buffer]
  const again = at.cluster.member({ kind: 'node', name, roles: ['node'], privateKey })
  // The fake authority's certificate, in the place of one with another serial.
  await at.pool.query('update nodes set certificate_serial = $1', [again.serial])
  await at.pool.query('update node_serials set serial = $1 where serial = $2', [again.serial, certificate!.serial])
  expect(parseIdentity(leafDer).publicKeyDer).toEqual(again.publicKeyDer)
  return again
}

/** Opens a heartbeat stream. `answered` resolves with the first answer, or rejects with the refusal. */
function sayHello(member: TestMember, at: Replica = served, certificateUnstored = false) {
  let answers = 0
  const stream = at.connect(member).duplex(contract.heartbeat, () => void (answers += 1))
  open.push(stream)
  const facts = { version: '1', hostname: 'web-1', labels: {}, advertisedAddress: '', os: '', certificateUnstored }
  stream.send({ message: { $case: 'hello', value: facts } })
  const answered = Promise.race([stream.ended, eventually('answered', () => answers > 0)])
  answered.catch(() => {})
  return { ...stream, answered }
}

async function shown(at: Served = served) {
  const filter = { pageSize: 0, pageToken: '', tokenId: '', labels: {}, statuses: [], search: '' }
  return (await at.client(at.cluster.user('ada', 'viewer')).listNodes(filter)).nodes[0]!
}

async function audits(action: string, at: Served = served) {
  await at.deps.refusals.close()
  const { rows } = await at.pool.query(
    'select outcome, reason, node_id, details from audit_events where action = $1 order by id',
    [action],
  )
  return rows as Record<string, unknown>[]
}

describe('an older certificate than the last one that the node has shown', () => {
  test('a copy that renews first is found at the first renewal of the original, which is refused', async () => {
    const copy = await renew(first)
    await sayHello(copy).answered
    await letTimePass()
    expect(await refusal(served.client(first).renewCertificate({}))).toMatchObject({ reason: 'CERTIFICATE_SUPERSEDED' })
    expect(await shown()).toMatchObject({ status: NodeStatus.CLONED, clone: { remoteAddresses: ['127.0.0.1'] } })
    expect(await audits('node.clone')).toMatchObject([
      {
        outcome: 'refused',
        reason: 'NODE_CLONED',
        node_id: first.name,
        details: { shownSerial: first.serial, lastSerial: copy.serial },
      },
    ])
    expect(await audits('node.renew')).toMatchObject([{ outcome: 'ok' }, { reason: 'CERTIFICATE_SUPERSEDED' }])
  })

  test('a copy of older credentials is found at its hello, before it renews', async () => {
    const second = await renew(first)
    await sayHello(second).answered
    await letTimePass()
    expect(await refusal(sayHello(first).answered)).toMatchObject({ reason: 'CERTIFICATE_SUPERSEDED' })
    expect((await shown()).status).toBe(NodeStatus.CLONED)
    expect(await audits('node.hello')).toMatchObject([{ reason: 'CERTIFICATE_SUPERSEDED' }])
  })

  test('a certificate that is three renewals old is found, though nobody said hello', async () => {
    await renew(await renew(await renew(first)))
    expect(await refusal(served.client(first).renewCertificate({}))).toMatchObject({ reason: 'CERTIFICATE_SUPERSEDED' })
    expect((await shown()).status).toBe(NodeStatus.CLONED)
  })

  test('neither holder renews once the node counts as cloned, and the stream of the last certificate stays open', async () => {
    const second = await renew(first)
    const stream = sayHello(second)
    await stream.answered
    await letTimePass()
    await refusal(served.client(first).renewCertificate({}))
    expect(await refusal(served.client(second).renewCertificate({}))).toMatchObject({
      kind: 'failedPrecondition',
      reason: 'NODE_CLONED',
    })
    await sayHello(second).answered
    await stream.end()
    await stream.ended
  })

  test('an unban lets the holder of the last certificate renew again, and is in the audit', async () => {
    const second = await renew(first)
    await sayHello(second).answered
    await letTimePass()
    await refusal(served.client(first).renewCertificate({}))
    const { node } = await served.client(served.cluster.user('ada', 'operator')).unbanNode({ nodeId: first.name })
    expect(node).toMatchObject({ clone: undefined })
    await renew(second)
    expect(await audits('node.clear-clone')).toMatchObject([{ outcome: 'ok', node_id: first.name }])
  })

  test('with the policy to warn, the older certificate renews, and the roll and the audit have the sign', async () => {
    const original = await joined(warning)
    const copy = await renew(original, warning)
    await sayHello(copy, warning).answered
    await letTimePass(warning.pool)
    await sayHello(original, warning).answered
    await renew(original, warning)
    expect((await shown(warning)).status).toBe(NodeStatus.CLONED)
    expect(await audits('node.clone', warning)).toMatchObject([{ outcome: 'ok', reason: null }])
  })

  test('of 64 holders of older certificates at once, on two replicas, all are refused and one event is recorded', async () => {
    const other = await served.addReplica()
    const second = await renew(first)
    await sayHello(second).answered
    await letTimePass()
    const calls = Array.from({ length: 64 }, (_, i) =>
      refusal([served, other][i % 2]!.client(first).renewCertificate({})),
    )
    for (const refused of await Promise.all(calls)) expect(refused).toMatchObject({ reason: 'CERTIFICATE_SUPERSEDED' })
    expect(await audits('node.clone')).toHaveLength(1)
  })
})

describe('what is no clone', () => {
  async function expectNoSign(): Promise<void> {
    expect(await shown()).toMatchObject({ clone: undefined })
    expect(await audits('node.clone')).toEqual([])
  }

  test('a node whose replies to renewals were lost renews with the same certificate again and again', async () => {
    await sayHello(first).answered
    for (let i = 0; i < 3; i++) {
      await served.client(first).renewCertificate({})
      await letTimePass()
    }
    await expectNoSign()
  })

  test('a node says hello with the certificate before the last while it waits for the reply to its renewal', async () => {
    await renew(first)
    await sayHello(first).answered
    await expectNoSign()
  })

  test('a request that was overtaken by the first hello with the next certificate is asked to try again', async () => {
    const second = await renew(first)
    await sayHello(second).answered
    expect(await refusal(sayHello(first).answered)).toMatchObject({ kind: 'unavailable' })
    expect(await refusal(served.client(first).renewCertificate({}))).toMatchObject({ kind: 'unavailable' })
    await expectNoSign()
  })

  test('a node whose disk did not take the last certificate starts again with the one before', async () => {
    const second = await renew(first)
    await sayHello(second, served, true).answered
    await letTimePass()
    await sayHello(first).answered
    await renew(first)
    await expectNoSign()
  })

  test('a node that renewed after the backup from which the database was restored renews again', async () => {
    const second = await renew(first)
    await served.pool.query('delete from node_serials where serial = $1', [second.serial])
    await activateNode(served.pool, first.name, granted(first.serial, new Date(Date.now() + 86_400_000)))
    await letTimePass()
    await sayHello(second).answered
    const third = await renew(second)
    await sayHello(third).answered
    await expectNoSign()
    await letTimePass()
    expect(await refusal(sayHello(second).answered)).toMatchObject({ reason: 'CERTIFICATE_SUPERSEDED' })
  })

  test('of 64 renewals with one certificate at once, on two replicas, one is stored and its certificate renews', async () => {
    const other = await served.addReplica()
    const calls = Array.from({ length: 64 }, (_, i) => [served, other][i % 2]!.client(first).renewCertificate({}))
    const done = (await Promise.allSettled(calls)).filter(({ status }) => status === 'fulfilled')
    expect(done).toHaveLength(1)
    await expectNoSign()
  })
})

describe('the record of serials', () => {
  test('a serial is kept until its certificate has ended long enough ago', async () => {
    const { signal } = new AbortController()
    await renew(first)
    await served.pool.query(`update node_serials set expires_at = now() - interval '2 hours' where serial = $1`, [
      first.serial,
    ])
    expect(await purgeSerials(served.pool, 3 * 3600, signal)).toBe(0)
    expect(await purgeSerials(served.pool, 3600, signal)).toBe(1)
  })
})
