import { expect } from '@jest/globals'
import { hasPgBouncer, startPgBouncer } from '@muster/testkit/failover'
import { testInCi } from '@muster/testkit/tools'
import { byService, SERVICE_NAMES } from '@muster/domain'
import { useCluster } from '../harness/use-cluster.ts'
import { joinDirectly } from '../harness/joining.ts'

const testWithPgBouncer = testInCi(hasPgBouncer, 'pgbouncer')

const cluster = useCluster({
  replicas: { 'registration-service': 2, 'token-service': 2 },
  env: byService(SERVICE_NAMES, () => ({
    MUSTER_DATABASE_POOL_MODE: 'transaction',
    // PgBouncer before 1.21 knows no named statements.
    MUSTER_DATABASE_NAMED_STATEMENTS: 'false',
  })),
  async besidePostgres(postgres, life) {
    if (!hasPgBouncer) return (url) => url
    const { port, stop } = await startPgBouncer(postgres)
    life.own('PgBouncer', stop, (end) => end())
    return (url) => url.replace(/@127\.0\.0\.1:\d+/, `@127.0.0.1:${port}`)
  },
})

testWithPgBouncer(
  'behind PgBouncer in transaction mode, 64 newcomers join at once, and a token of one use admits one',
  async () => {
    const { operator } = cluster()
    const { value: token, id: tokenId } = await operator.makeToken()
    const joins = await Promise.all(
      Array.from({ length: 64 }, (_, i) => joinDirectly(cluster(), { token, replica: i % 2 })),
    )
    const onRoll = (await operator.roll()).filter((node) => node.tokenId === tokenId)
    expect(new Set(onRoll.map(({ id }) => id))).toEqual(new Set(joins.map(({ nodeId }) => nodeId)))

    const { value: once } = await operator.makeToken({ maxUses: 1 })
    const race = await Promise.allSettled(
      Array.from({ length: 64 }, (_, i) => joinDirectly(cluster(), { token: once, replica: i % 2 })),
    )
    expect(race.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  },
)
