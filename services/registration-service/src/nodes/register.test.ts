import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { AppError, type ErrorKind } from '@muster/domain'
import { createCsr, generateKey, parseIdentity, publicKeyDer, verifyChain } from '@muster/pki'
import { eventually } from '@muster/testkit'
import { createLogger } from '@muster/service-kit'
import { selectNodes } from './store/roll-queries.ts'
import { joinRequest, refusal, serveRegistration, type Served } from '../../test/support/service.ts'

const lines: string[] = []
let served: Served

beforeAll(async () => {
  served = await serveRegistration({ log: createLogger('test', 'debug', { write: (line) => void lines.push(line) }) })
})
beforeEach(async () => {
  await served.deps.refusals.close()
  await served.pool.query('truncate nodes, bots, bot_keys, audit_events')
  await served.forgetRefusals()
  served.tokens.failure = undefined
  served.tokens.refusal = undefined
  served.tokens.carries = {}
  served.authority.failure = undefined
  served.tokens.spends.length = 0
  served.authority.signed.length = 0
})
afterAll(async () => {
  await served.close()
})

function register(request = joinRequest()) {
  return served.client(served.cluster.anonymous()).register(request)
}

async function stored() {
  const { rows } = await served.pool.query<{ id: string; joined: boolean; certificate_serial: string | null }>(
    'select id, joined_at is not null as joined, certificate_serial from nodes',
  )
  return rows
}

async function audits() {
  const { rows } = await served.pool.query<Record<string, unknown>>(
    'select action, actor, remote_address, outcome, reason, token_id, node_id, details from audit_events order by id',
  )
  return rows
}

describe('nodes that may join', () => {
  test('a node that joins gets its id, a certificate for its own key, the roots to trust and its interval', async () => {
    const privateKey = generateKey()
    const reply = await register(joinRequest({}, privateKey))
    const [leafDer, ...intermediatesDer] = reply.certificate!.chainDer as [Buffer, Buffer]
    expect(verifyChain({ leafDer, intermediatesDer, rootsDer: reply.trustBundle!.hostRootsDer })).toBe(true)
    expect(parseIdentity(leafDer)).toMatchObject({
      spiffeId: `spiffe://${served.cluster.clusterName}/node/${reply.nodeId}`,
      publicKeyDer: publicKeyDer(privateKey),
    })
    expect(reply.heartbeat).toEqual({ intervalMs: 5_000, offlineAfterMs: 15_000 })
    expect(reply.trustBundle!.version).toBe(7)
  })

  test('a node that joins is on the roll with what it reported, and in the audit', async () => {
    const { nodeId, certificate } = await register()
    expect(await selectNodes(served.pool, { size: 10, after: undefined })).toMatchObject([
      {
        id: nodeId,
        hostname: 'web-1',
        roles: ['node'],
        labels: { env: 'prod' },
        version: '0.1.0',
        advertisedAddress: '10.0.0.7',
        remoteAddress: '127.0.0.1',
        tokenId: 'abcdefghij',
        firstSeenAt: undefined,
        certificateExpiresAt: certificate!.expiresAt,
      },
    ])
    expect(await audits()).toEqual([
      {
        action: 'node.join',
        actor: 'anonymous',
        remote_address: '127.0.0.1',
        outcome: 'ok',
        reason: null,
        token_id: 'abcdefghij',
        node_id: nodeId,
        details: { hostname: 'web-1', roles: ['node'], serial: certificate!.serial },
      },
    ])
  })

  test('a node that joins carries the labels that its token forces, whatever it reports', async () => {
    served.tokens.carries = { nodeLabels: { env: 'stage', team: 'search' } }
    await register(joinRequest({ labels: { env: 'prod', disk: 'ssd' } }))
    const [node] = await selectNodes(served.pool, { size: 10, after: undefined })
    expect(node!.labels).toEqual({ env: 'stage', team: 'search', disk: 'ssd' })
  })

  test('a node that joins is sent to watchers of the roll', async () => {
    const heard: string[] = []
    served.presence.on('changed', (id) => heard.push(id))
    const { nodeId } = await register()
    await eventually('heard of', () => heard.includes(nodeId))
  })

  test('a node that joins has its certificate composed by ca-service out of its key, id and roles alone', async () => {
    const privateKey = generateKey()
    const csrDer = createCsr({ privateKey, commonName: 'ca-service' })
    const { nodeId } = await register(joinRequest({ csrDer, hostname: 'ca-service', roles: ['proxy', 'node'] }))
    expect(served.authority.signed.map(({ request }) => request)).toEqual([
      { nodeId, roles: ['node', 'proxy'], publicKeyDer: publicKeyDer(privateKey) },
    ])
  })

  test('the spend for a node carries everything that a restriction may check', async () => {
    const request = joinRequest({ roles: ['proxy'], hostname: 'Web-7' })
    await register(request)
    expect(served.tokens.spends).toMatchObject([
      {
        value: request.token,
        purpose: { $case: 'join', value: { roles: ['proxy'], hostname: 'Web-7', remoteAddress: '127.0.0.1' } },
      },
    ])
  })

  test('a removed node does not come back with the same key, though its token allows it; another key is another node', async () => {
    const request = joinRequest()
    const { nodeId } = await register(request)
    await served.client(served.cluster.user('ada', 'operator')).removeNode({ nodeId })
    const signed = served.authority.signed.length
    expect(await refusal(register(request))).toMatchObject({ kind: 'failedPrecondition', reason: 'NODE_UNKNOWN' })
    expect(served.authority.signed).toHaveLength(signed)
    expect(await selectNodes(served.pool, { size: 10, after: undefined })).toEqual([])
    expect((await audits()).at(-1)).toMatchObject({
      action: 'node.join',
      outcome: 'refused',
      reason: 'NODE_UNKNOWN',
      token_id: 'abcdefghij',
      node_id: nodeId,
    })
    expect((await register(joinRequest({ token: request.token }))).nodeId).not.toBe(nodeId)
  })

  test('a node that requests to join 16 times at once joins once', async () => {
    const request = joinRequest()
    const replies = await Promise.all(Array.from({ length: 16 }, () => register(request)))
    expect(new Set(replies.map(({ nodeId }) => nodeId)).size).toBe(1)
    const [row, ...others] = await stored()
    expect(others).toEqual([])
    expect(replies.map(({ certificate }) => certificate!.serial)).toContain(row!.certificate_serial)
  })
})

describe('a join that breaks off', () => {
  const away = new AppError('unavailable', 'no answer')

  const BREAKS: [string, () => void | Promise<unknown>, () => void | Promise<unknown>, number][] = [
    [
      'before the token is spent',
      () => {
        served.tokens.failure = { error: away }
      },
      () => {
        served.tokens.failure = undefined
      },
      0,
    ],
    [
      'when the token is spent and the answer lost',
      () => {
        served.tokens.failure = { error: away, afterwards: true }
      },
      () => {
        served.tokens.failure = undefined
      },
      0,
    ],
    [
      'when the node is to be recorded',
      () => served.pool.query('alter table nodes add constraint broken check (false) not valid'),
      () => served.pool.query('alter table nodes drop constraint broken'),
      0,
    ],
    [
      'when the node is recorded and ca-service does not answer',
      () => {
        served.authority.failure = { error: away }
      },
      () => {
        served.authority.failure = undefined
      },
      1,
    ],
    [
      'when the certificate is signed and the answer lost',
      () => {
        served.authority.failure = { error: away, afterwards: true }
      },
      () => {
        served.authority.failure = undefined
      },
      1,
    ],
    [
      'when the node is to be put on the roll',
      () => served.pool.query('alter table audit_events add constraint broken check (false) not valid'),
      () => served.pool.query('alter table audit_events drop constraint broken'),
      1,
    ],
  ]

  test.each(BREAKS)('a join that breaks off %s is one node after a retry', async (_when, breaks, mends, rows) => {
    const request = joinRequest()
    await breaks()
    const error = await refusal(register(request))
    expect(['unavailable', 'internal']).toContain(error.kind)
    expect(await selectNodes(served.pool, { size: 10, after: undefined })).toEqual([])
    expect(await stored()).toHaveLength(rows)
    // A transient error is not a refusal.
    expect(await audits()).toEqual([])

    await mends()
    const { nodeId, certificate } = await register(request)
    expect(await stored()).toEqual([{ id: nodeId, joined: true, certificate_serial: certificate!.serial }])
    expect(new Set(served.tokens.spends.map(({ keyFingerprint }) => keyFingerprint.toString('hex'))).size).toBe(1)
    expect((await audits()).map(({ outcome }) => outcome)).toEqual(['ok'])
  })

  test('a join that breaks off before its reply arrives is the same node after a retry, with its newest certificate', async () => {
    const request = joinRequest()
    const lost = await register(request)
    const { nodeId, certificate } = await register(request)
    expect(nodeId).toBe(lost.nodeId)
    expect(await stored()).toEqual([{ id: nodeId, joined: true, certificate_serial: certificate!.serial }])
  })
})

describe('a join that is refused', () => {
  test('a repeated join of a node that was removed meanwhile gets no certificate', async () => {
    const request = joinRequest()
    const { nodeId } = await register(request)
    served.authority.meanwhile = () => served.client(served.cluster.user('ada', 'operator')).removeNode({ nodeId })
    try {
      expect(await refusal(register(request))).toMatchObject({ kind: 'failedPrecondition', reason: 'NODE_UNKNOWN' })
    } finally {
      served.authority.meanwhile = undefined
    }
    expect(await stored()).toMatchObject([{ joined: false }])
  })

  test.each<[string, ErrorKind, string]>([
    ['TOKEN_UNKNOWN', 'permissionDenied', 'the token is not known'],
    ['TOKEN_EXPIRED', 'failedPrecondition', 'expired'],
    ['TOKEN_REVOKED', 'failedPrecondition', 'revoked'],
    ['TOKEN_USED_UP', 'failedPrecondition', 'reached its use limit'],
    ['ROLE_NOT_ALLOWED', 'failedPrecondition', 'these roles'],
    ['TOKEN_WRONG_TYPE', 'failedPrecondition', "'musterctl tokens add'"],
    ['SPENT_JUST_NOW', 'resourceExhausted', 'too often just now'],
    ['A_REASON_OF_TOMORROW', 'failedPrecondition', 'refused'],
  ])('a join refused with %s says so, leaves no node, and is recorded once', async (reason, kind, message) => {
    served.tokens.refusal = () => ({ reason })
    expect(await refusal(register())).toMatchObject({ kind, reason, message: expect.stringContaining(message) })
    expect(await stored()).toEqual([])
    expect(served.authority.signed).toEqual([])
    expect(await audits()).toEqual([
      {
        action: 'node.join',
        actor: 'anonymous',
        remote_address: '127.0.0.1',
        outcome: 'refused',
        reason,
        // The id in the token's own text; no service has verified it.
        token_id: 'abcdefghij',
        node_id: null,
        details: { hostname: 'web-1' },
      },
    ])
  })

  test.each<[string, string, Parameters<typeof joinRequest>[0]]>([
    ['a hostile host name', 'INVALID_FIELD', { hostname: '../../etc' }],
    ['65 labels', 'INVALID_FIELD', { labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ''])) }],
    ['no token', 'INVALID_FIELD', { token: '' }],
    ['a bad certificate request', 'CSR_MALFORMED', { csrDer: Buffer.from('junk') }],
  ])('a join refused for %s spends no token, leaves no node, and is recorded once', async (_why, reason, overrides) => {
    expect(await refusal(register(joinRequest(overrides)))).toMatchObject({ kind: 'invalidArgument', reason })
    expect(served.tokens.spends).toEqual([])
    expect(await stored()).toEqual([])
    expect(await audits()).toMatchObject([{ outcome: 'refused', reason, node_id: null, details: {} }])
    await register()
  })

  test('a flood of refused joins is recorded at a bounded rate, and the service survives', async () => {
    const client = served.client(served.cluster.anonymous())
    const flood = Array.from({ length: 200 }, () => refusal(client.register(joinRequest({ hostname: '..' }))))
    const startedAt = Date.now()
    const kinds = new Set((await Promise.all(flood)).map(({ kind }) => kind))
    expect(kinds).toEqual(new Set(['invalidArgument', 'resourceExhausted']))
    const seconds = Math.ceil((Date.now() - startedAt) / 1_000) + 1
    await served.deps.refusals.close()
    const written = (await audits()).length
    expect(written).toBeGreaterThan(0)
    expect(written).toBeLessThanOrEqual(20 * seconds)
    await register()
  })

  test('a join that is refused by a restriction is told only that, while the audit names the token and the restriction', async () => {
    served.tokens.refusal = () => ({ reason: 'TOKEN_RESTRICTED', tokenId: 'zyxwvutsrq', restriction: 'allow-cidr' })
    const { kind, reason, message } = await refusal(register(joinRequest({ token: 'a-token-of-my-own-choosing' })))
    expect({ kind, reason }).toEqual({ kind: 'failedPrecondition', reason: 'TOKEN_RESTRICTED' })
    expect(message).toContain("'musterctl audit ls'")
    expect(message).not.toContain('cidr')
    expect(await audits()).toMatchObject([
      { reason, token_id: 'zyxwvutsrq', details: { hostname: 'web-1', restriction: 'allow-cidr' } },
    ])
  })

  test('a join is refused even if the refusal cannot be recorded', async () => {
    await served.pool.query('alter table audit_events add constraint broken check (false) not valid')
    try {
      expect((await refusal(register(joinRequest({ hostname: '..' })))).kind).toBe('invalidArgument')
    } finally {
      await served.pool.query('alter table audit_events drop constraint broken')
    }
  })
})

describe('the log and the database', () => {
  test('the log and the database hold no token and no certificate request, however the join ended', async () => {
    lines.length = 0
    // Refused calls of strangers have a budget of log lines.
    await served.clock.advance(10_000)
    const request = joinRequest()
    await register(request)
    await refusal(register({ ...request, hostname: '..' }))
    served.tokens.refusal = () => ({ reason: 'TOKEN_USED_UP', tokenId: 'abcdefghij' })
    await refusal(register(request))
    served.tokens.failure = { error: new AppError('unavailable', 'away') }
    await refusal(register(request))
    await eventually('logged', () => lines.filter((line) => line.includes('/Register"')).length >= 4)
    const said = lines.join('') + (await served.database.dump('registration'))
    expect(said).toContain('node.joined')
    for (const secret of ['canarycanary', request.csrDer.toString('hex'), request.csrDer.toString('base64')]) {
      expect(said).not.toContain(secret)
    }
  })
})
