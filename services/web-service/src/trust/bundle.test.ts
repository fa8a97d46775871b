import { expect, test } from '@jest/globals'
import { Lifecycle } from '@muster/runtime'
import { eventually, manualClock, silentLog, testCluster } from '@muster/testkit'
import { followBundle } from './bundle.ts'

const roots = () => testCluster().authorities.host.root.certificateDer
const of = (...hostRootsDer: Buffer[]) => ({ version: 1, clusterName: 'c', hostRootsDer, userRootsDer: [] })

test('a bundle follows ca-service, and keeps the last one while ca-service does not answer or has none', async () => {
  const life = new Lifecycle()
  const clock = manualClock()
  const [first, second] = [roots(), roots()]
  const answers = [of(first, second), undefined, of(), of(second)]
  let asked = 0
  const getTrustBundle = async () => {
    const trustBundle = answers[asked++]
    if (trustBundle === undefined) throw new Error('away')
    return { trustBundle }
  }
  const counted = () => bundle.hostRootsPem().split('BEGIN').length - 1
  const bundle = followBundle(of(first), { getTrustBundle }, { clock, log: silentLog, life, failures: { inc() {} } })
  expect(counted()).toBe(1)
  await eventually('followed', () => counted() === 2)
  for (const round of [2, 3]) {
    await clock.advance(60_000)
    await eventually('asked', () => asked === round)
    expect(counted()).toBe(2)
  }
  await clock.advance(60_000)
  await eventually('followed', () => counted() === 1)
  await life.close()
})
