import type { AppError } from '@muster/domain'
import { expect, test } from '@jest/globals'
import { startAgent } from '../harness/agent.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { joinDirectly } from '../harness/joining.ts'
import { waitFor } from '../harness/waiting.ts'

const PER_MINUTE = 4
const cluster = useCluster({
  replicas: { 'registration-service': 2 },
  env: { 'registration-service': { MUSTER_REFUSED_JOINS_PER_MINUTE: String(PER_MINUTE) } },
})

/** Joins `count` times, at most 64 at once, over these replicas. @returns what each was refused with, or undefined */
async function joinMany(token: string, count: number, replicas = [0, 1]): Promise<(AppError | undefined)[]> {
  const outcomes: (AppError | undefined)[] = []
  let begun = 0
  const joinOn = async () => {
    while (begun < count) {
      const i = begun++
      outcomes[i] = await joinDirectly(cluster(), { token, replica: replicas[i % replicas.length]! }).then(
        () => undefined,
        (error: AppError) => error,
      )
    }
  }
  await Promise.all(Array.from({ length: 64 }, joinOn))
  return outcomes
}

function reasons(outcomes: readonly (AppError | undefined)[]): Record<string, number> {
  const counted: Record<string, number> = {}
  for (const error of outcomes) {
    const name = error === undefined ? 'in' : (error.reason ?? error.kind)
    counted[name] = (counted[name] ?? 0) + 1
  }
  return counted
}

test('a caller that one replica has refused too often is told by the other how long to wait, whatever its token', async () => {
  const guess = `mtk_bbbbbbbbbb_${'b'.repeat(32)}`
  const outcomes = await joinMany(guess, 3 * PER_MINUTE, [0])
  const { TOKEN_UNKNOWN: told, TOO_MANY_REFUSED: waiting, ...others } = reasons(outcomes)
  expect(others).toEqual({})
  // One more for each quarter of a minute that the joins took.
  expect(told).toBeGreaterThanOrEqual(PER_MINUTE)
  expect(waiting).toBeGreaterThanOrEqual(PER_MINUTE)

  const { value: revoked, id } = await cluster().operator.makeToken()
  await cluster().operator.tokens.revokeToken({ idOrValue: id })
  for (const error of await joinMany(revoked, 4, [1])) {
    expect(error).toMatchObject({ kind: 'resourceExhausted', reason: 'TOO_MANY_REFUSED' })
    expect(error!.message).toMatch(/try again in \d+s/)
    expect(error!.retryAfterMs).toBeGreaterThan(0)
    expect(error!.retryAfterMs).toBeLessThanOrEqual(60_000 / PER_MINUTE)
  }
  const agent = await startAgent(cluster(), { name: 'impatient', token: guess, flags: ['--join-timeout=1s'] })
  expect([await agent.exit(), agent.output()]).toEqual([5, expect.stringContaining('too many refused attempts')])
})

test('300 machines behind the address of a caller that must wait join without a refusal', async () => {
  const { value, id } = await cluster().operator.makeToken()
  expect(reasons(await joinMany(value, 300))).toEqual({ in: 300 })
  expect((await cluster().operator.roll()).filter(({ tokenId }) => tokenId === id)).toHaveLength(300)
})

test('joins continue while Redis is down, and each replica limits refusals by itself', async () => {
  const unknown = `mtk_cccccccccc_${'c'.repeat(32)}`
  await cluster().redis.stop()
  try {
    const outcomes = reasons(await joinMany(unknown, 6 * PER_MINUTE))
    // Each replica may have refused the limit, and one more for each quarter of a minute since.
    expect(outcomes['TOO_MANY_REFUSED'] ?? 0).toBeGreaterThanOrEqual(PER_MINUTE)
    const { value } = await cluster().operator.makeToken()
    expect(reasons(await joinMany(value, 20))).toEqual({ in: 20 })
  } finally {
    await cluster().startRedisAgain()
  }
  await waitFor('the limit of all replicas together to hold again', async () => {
    const outcomes = await joinMany(unknown, 2 * PER_MINUTE)
    return (reasons(outcomes)['TOO_MANY_REFUSED'] ?? 0) > 0
  })
})
