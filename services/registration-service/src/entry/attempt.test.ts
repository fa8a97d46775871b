import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { AppError, newTokenId, newTokenValue } from '@muster/domain'
import type { CallContext } from '@muster/rpc'
import { eventually } from '@muster/testkit'
import { attempt } from './attempt.ts'
import { EntryLimits } from './entry-limits.ts'
import { RefusedAttempts } from './refused-attempts.ts'
import {
  joinRequest,
  refusal,
  serveRegistration,
  silentLog,
  type Replica,
  type Served,
} from '../../test/support/service.ts'

const LIMIT = 5
const CUSTOM = 'a-token-of-my-own-choosing'
let served: Served
let other: Replica

beforeAll(async () => {
  served = await serveRegistration({ refusedPerMinute: LIMIT })
  other = await served.addReplica()
})
beforeEach(async () => {
  for (const { deps } of [served, other]) await deps.refusals.close()
  await served.pool.query('truncate nodes, audit_events')
  await served.forgetRefusals()
  served.tokens.refusal = undefined
  served.tokens.spends.length = 0
})
afterAll(async () => {
  await served.close()
})

function register(token: string, replica: Replica = served) {
  return replica.client(served.cluster.anonymous()).register(joinRequest({ token }))
}

const generated = () => newTokenValue(newTokenId())

/** token-service has none of these tokens. */
function refuseAllBut(...values: string[]): void {
  served.tokens.refusal = ({ value }) => (values.includes(value) ? undefined : { reason: 'TOKEN_UNKNOWN' })
}

async function exhaust(): Promise<void> {
  for (let i = 0; i < LIMIT; i++) expect((await refusal(register(generated()))).reason).toBe('TOKEN_UNKNOWN')
}

describe('refused joins', () => {
  test('refused joins of one source are limited, with the wait in words and for programs', async () => {
    refuseAllBut()
    await exhaust()
    const error = await refusal(register(generated()))
    expect(error).toMatchObject({ kind: 'resourceExhausted', reason: 'TOO_MANY_REFUSED' })
    expect(error.message).toMatch(/^too many refused attempts from this address; try again in \d+s$/)
    expect(error.retryAfterMs).toBeGreaterThan(0)
    expect(error.retryAfterMs).toBeLessThanOrEqual(60_000 / LIMIT)
  })

  test('joins are counted by outcome, and the refused ones by reason', async () => {
    const countOf = async (outcome: string, reason: string) => {
      const { values } = await served.deps.entries.get()
      return values.find(({ labels }) => labels.outcome === outcome && labels.reason === reason)?.value ?? 0
    }
    const before = { ok: await countOf('ok', ''), unknown: await countOf('refused', 'TOKEN_UNKNOWN') }
    const good = generated()
    refuseAllBut(good)
    await register(good)
    await refusal(register(generated()))
    expect(await countOf('ok', '')).toBe(before.ok + 1)
    expect(await countOf('refused', 'TOKEN_UNKNOWN')).toBe(before.unknown + 1)
  })

  test('refused joins are limited by all replicas together', async () => {
    refuseAllBut()
    await exhaust()
    expect((await refusal(register(generated(), other))).reason).toBe('TOO_MANY_REFUSED')
  })

  test('refused joins are limited whatever the reason', async () => {
    const client = served.client(served.cluster.anonymous())
    for (let i = 0; i < LIMIT; i++) await refusal(client.register(joinRequest({ hostname: '..' })))
    refuseAllBut()
    expect((await refusal(register(generated()))).reason).toBe('TOO_MANY_REFUSED')
  })

  test('refused joins are recorded with their real reason, and each is counted', async () => {
    refuseAllBut()
    const token = generated()
    for (let i = 0; i < LIMIT + 3; i++) await refusal(register(token))
    await served.deps.refusals.close()
    const { rows } = await served.pool.query('select reason, count from audit_events')
    expect(rows).toEqual([{ reason: 'TOKEN_UNKNOWN', count: LIMIT + 3 }])
  })
})

describe('guesses of a custom token', () => {
  test('guesses of a custom token never reach token-service more often than the limit allows, in bursts of 128 over two replicas', async () => {
    refuseAllBut(CUSTOM)
    const startedAt = Date.now()
    const clients = [served, other].map((replica) => replica.client(served.cluster.anonymous()))
    for (let burst = 0; burst < 2; burst++) {
      const guesses = Array.from({ length: 128 }, (_, i) =>
        refusal(clients[i % 2]!.register(joinRequest({ token: `a-guess-of-many-${burst}-${i}` }))),
      )
      for (const { reason } of await Promise.all(guesses))
        expect(['TOKEN_UNKNOWN', 'TOO_MANY_REFUSED']).toContain(reason)
    }
    const earned = Math.ceil(((Date.now() - startedAt) * LIMIT) / 60_000)
    expect(served.tokens.spends.length).toBeGreaterThanOrEqual(LIMIT)
    expect(served.tokens.spends.length).toBeLessThanOrEqual(LIMIT + earned)
  })

  test('guesses of a custom token cost nothing when they fail for a transient reason, or succeed', async () => {
    const client = served.client(served.cluster.anonymous())
    served.tokens.failure = { error: new AppError('unavailable', 'away') }
    try {
      for (let i = 0; i < 3 * LIMIT; i++) {
        expect((await refusal(client.register(joinRequest({ token: CUSTOM })))).kind).toBe('unavailable')
      }
    } finally {
      served.tokens.failure = undefined
    }
    for (let i = 0; i < 3 * LIMIT; i++) expect((await register(CUSTOM)).nodeId).not.toBe('')
  })
})

describe('a flood of refused generated tokens', () => {
  test('a flood of refused generated tokens is served slowly, and a good join from the same address gets in', async () => {
    const good = generated()
    refuseAllBut(good)
    await exhaust()
    expect((await refusal(register(generated()))).reason).toBe('TOO_MANY_REFUSED')
    served.tokens.spends.length = 0
    const startedAt = Date.now()
    const over = new AbortController()
    const reasons = new Set<string | undefined>()
    const flooding = [1, 2, 3, 4].flatMap(() => {
      const client = served.client(served.cluster.anonymous())
      return Array.from({ length: 8 }, async () => {
        while (!over.signal.aborted)
          reasons.add((await refusal(client.register(joinRequest({ token: generated() })))).reason)
      })
    })
    try {
      await eventually('flooded', () => served.tokens.spends.length >= 5)
      expect((await register(good)).nodeId).not.toBe('')
      // One each 100 ms, and the first, and the good one.
      expect(served.tokens.spends.length).toBeLessThanOrEqual((Date.now() - startedAt) / 100 + 2)
    } finally {
      over.abort()
      await Promise.all(flooding)
    }
    // On a busy machine, so much time passes that a refusal is within the limit again.
    expect(reasons).toContain('TOO_MANY_REFUSED')
    reasons.delete('TOO_MANY_REFUSED')
    expect([...reasons].filter((reason) => reason !== 'TOKEN_UNKNOWN')).toEqual([])
  })
})

describe('a good join', () => {
  test('a good join by a generated token passes from a source that is over the limit', async () => {
    const good = generated()
    refuseAllBut(good)
    await exhaust()
    expect((await refusal(register(generated()))).reason).toBe('TOO_MANY_REFUSED')
    for (let i = 0; i < 10; i++) expect((await register(good)).nodeId).not.toBe('')
  })

  test('a good join by a token that could be guessed waits with its source, before any service is called', async () => {
    refuseAllBut(CUSTOM)
    expect((await register(CUSTOM)).nodeId).not.toBe('')
    await exhaust()
    served.tokens.spends.length = 0
    expect(await refusal(register(CUSTOM))).toMatchObject({ reason: 'TOO_MANY_REFUSED', kind: 'resourceExhausted' })
    expect(served.tokens.spends).toEqual([])
    const { rows } = await served.pool.query(
      `select reason, token_id from audit_events where reason = 'TOO_MANY_REFUSED'`,
    )
    expect(rows).toEqual([{ reason: 'TOO_MANY_REFUSED', token_id: null }])
  })

  test.each([
    ['a generated token', generated()],
    ['a custom token', CUSTOM],
  ])('a good join by %s is never limited: 2,000 behind one address come in', async (_what, token) => {
    const context = { remoteAddress: '10.0.0.1', signal: new AbortController().signal } as CallContext
    const joins = Array.from({ length: 2_000 }, (_, i) =>
      attempt([served, other][i % 2]!.deps, { action: 'node.join', token, context }, async () => i),
    )
    expect(new Set(await Promise.all(joins)).size).toBe(2_000)
    const real = await Promise.all(Array.from({ length: 100 }, (_, i) => register(token, [served, other][i % 2])))
    expect(new Set(real.map(({ nodeId }) => nodeId)).size).toBe(100)
  })

  test('a good join succeeds while Redis is away, and the replica limits refusals by itself', async () => {
    const { entryLimits } = served.deps
    const away = { redisUrl: 'redis://127.0.0.1:1', clusterName: 'x.internal', perMinute: LIMIT, log: silentLog }
    const refusedAttempts = new RefusedAttempts(away)
    served.deps.entryLimits = new EntryLimits(refusedAttempts)
    try {
      refuseAllBut(CUSTOM)
      for (let i = 0; i < 3 * LIMIT; i++) expect((await register(CUSTOM)).nodeId).not.toBe('')
      await exhaust()
      expect((await refusal(register('a-guess-of-many-others'))).reason).toBe('TOO_MANY_REFUSED')
    } finally {
      refusedAttempts.close()
      served.deps.entryLimits = entryLimits
    }
  })
})
