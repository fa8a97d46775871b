import net from 'node:net'
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { createRedis, type TestRedis } from '@muster/testkit'
import { createLogger } from '@muster/service-kit'
import { RefusedAttempts, tooManyRefused } from './refused-attempts.ts'
import { isCounting, silentLog } from '../../test/support/service.ts'

let redis: TestRedis
let clusterName: string
let aheadMs = 0
const opened: RefusedAttempts[] = []

beforeAll(async () => {
  redis = await createRedis()
})
beforeEach(() => {
  clusterName = `${randomUUID()}.internal`
})
afterEach(() => {
  for (const attempts of opened.splice(0)) attempts.close()
})
afterAll(async () => {
  await redis.close()
})

async function open(perMinute: number): Promise<RefusedAttempts> {
  const now = () => performance.now() + aheadMs
  const attempts = new RefusedAttempts({ redisUrl: redis.url, clusterName, perMinute, log: silentLog, now })
  opened.push(attempts)
  await isCounting(attempts, redis)
  return attempts
}

/** As if that much time had passed since the refusals of this source. */
async function letTimePass(source: string, ms: number): Promise<void> {
  const key = `muster:${clusterName}:refused:${source}`
  await redis.client.set(key, Number(await redis.client.get(key)) - ms, 'KEEPTTL')
  aheadMs += ms
}

async function hits(attempts: RefusedAttempts, source: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) expect(await attempts.hit(source)).toBe(0)
}

describe('a source', () => {
  test('a source may be refused as often as configured at once, and then has to wait', async () => {
    const attempts = await open(6)
    await hits(attempts, '10.0.0.1', 6)
    const waitMs = await attempts.hit('10.0.0.1')
    expect(waitMs).toBeGreaterThan(0)
    expect(waitMs).toBeLessThanOrEqual(10_000)
    expect(await attempts.hit('10.0.0.2')).toBe(0)
  })

  test('a source may have one more refusal after each interval, instead of all of them after a minute', async () => {
    const attempts = await open(6)
    await hits(attempts, '10.0.0.1', 6)
    for (let i = 0; i < 2; i++) {
      await letTimePass('10.0.0.1', 10_000)
      await hits(attempts, '10.0.0.1', 1)
      expect(await attempts.hit('10.0.0.1')).toBeGreaterThan(0)
    }
    await letTimePass('10.0.0.1', 30_000)
    await hits(attempts, '10.0.0.1', 3)
    expect(await attempts.hit('10.0.0.1')).toBeGreaterThan(0)
  })

  test('a source that continues over the limit does not extend its wait', async () => {
    const attempts = await open(6)
    await hits(attempts, '10.0.0.1', 6)
    for (let i = 0; i < 50; i++) expect(await attempts.hit('10.0.0.1')).toBeLessThanOrEqual(10_000)
  })

  test('a source is counted by all replicas together, for callers at once', async () => {
    const replicas = [await open(20), await open(20)]
    const waits = await Promise.all(Array.from({ length: 200 }, (_, i) => replicas[i % 2]!.hit('10.0.0.1')))
    expect(waits.filter((ms) => ms === 0)).toHaveLength(20)
  })

  test('a source leaves no count behind for longer than it matters', async () => {
    const attempts = await open(6)
    await hits(attempts, '10.0.0.1', 6)
    await attempts.hit('10.0.0.1')
    const ttl = await redis.client.pttl(`muster:${clusterName}:refused:10.0.0.1`)
    expect(ttl).toBeGreaterThan(0)
    expect(ttl).toBeLessThanOrEqual(60_000)
  })

  test('a source with an IPv6 address is its network of 64 bits', async () => {
    const attempts = await open(2)
    await hits(attempts, '2001:db8:1:2::1', 1)
    await hits(attempts, '2001:db8:1:2:ffff::', 1)
    expect(await attempts.hit('2001:db8:1:2:3:4:5:6')).toBeGreaterThan(0)
    expect(await attempts.hit('2001:db8:1:3::1')).toBe(0)
  })
})

describe('a source that guesses', () => {
  const ids = (count: number) => Array.from({ length: count }, () => randomUUID())

  test('a source that guesses has no more reservations than refusals left, over all replicas, in a race of 100', async () => {
    const replicas = [await open(20), await open(20)]
    await hits(replicas[0]!, '10.0.0.1', 5)
    const asked = Array.from({ length: 100 }, (_, i) => replicas[i % 2]!.reserve('10.0.0.1', ids(1)))
    const reserved = await Promise.all(asked)
    expect(reserved.filter(({ granted }) => granted === 1)).toHaveLength(15)
    // All that are under way may succeed, so no caller is told to wait.
    expect(new Set(reserved.map(({ waitMs }) => waitMs))).toEqual(new Set([0]))
  })

  test('a source that guesses gets the first ones of the reservations that it asks for together', async () => {
    const attempts = await open(7)
    expect(await attempts.reserve('10.0.0.1', ids(10))).toEqual({ granted: 7, waitMs: 0 })
    expect(await attempts.reserve('10.0.0.1', ids(1))).toEqual({ granted: 0, waitMs: 0 })
    expect(await attempts.reserve('10.0.0.2', ids(3))).toEqual({ granted: 3, waitMs: 0 })
  })

  test('a source that guesses gets a reservation back unless its attempt was refused', async () => {
    const attempts = await open(6)
    const [first, ...others] = ids(6) as [string, ...string[]]
    await attempts.reserve('10.0.0.1', [first, ...others])
    for (const id of others) await attempts.settle('10.0.0.1', id, false)
    await attempts.settle('10.0.0.1', first, true)
    expect(await attempts.reserve('10.0.0.1', ids(10))).toEqual({ granted: 5, waitMs: 0 })
  })

  test('a source that guesses is told how long to wait once its refusals have reached the limit', async () => {
    const attempts = await open(6)
    const six = ids(6)
    await attempts.reserve('10.0.0.1', six)
    for (const id of six) await attempts.settle('10.0.0.1', id, true)
    const { granted, waitMs } = await attempts.reserve('10.0.0.1', ids(1))
    expect(granted).toBe(0)
    expect(waitMs).toBeGreaterThan(0)
    expect(waitMs).toBeLessThanOrEqual(10_000)
    await letTimePass('10.0.0.1', waitMs)
    expect(await attempts.reserve('10.0.0.1', ids(2))).toEqual({ granted: 1, waitMs: 0 })
  })

  test('a source that guesses waits no longer when other refusals used up the limit before its own were known', async () => {
    const attempts = await open(6)
    const six = ids(6)
    await attempts.reserve('10.0.0.1', six)
    await hits(attempts, '10.0.0.1', 6)
    for (const id of six) await attempts.settle('10.0.0.1', id, true)
    expect(await attempts.hit('10.0.0.1')).toBeLessThanOrEqual(10_000)
  })

  test('a source that guesses gets the reservations of a killed replica back', async () => {
    const killed = await open(6)
    await killed.reserve('10.0.0.1', ids(6))
    const key = `muster:${clusterName}:refused:10.0.0.1:reserved`
    expect(await redis.client.pttl(key)).toBeGreaterThan(30_000)
    const reserved = await redis.client.zrange(key, 0, '-1')
    await redis.client.zadd(key, ...reserved.flatMap((id) => [Date.now() - 1_000, id]))
    expect(await (await open(6)).reserve('10.0.0.1', ids(10))).toEqual({ granted: 6, waitMs: 0 })
  })
})

describe('sources that have to wait', () => {
  test('a source that has to wait is told how long, in words and as a number', () => {
    const error = tooManyRefused(11_400)
    expect(error.message).toBe('too many refused attempts from this address; try again in 12s')
    expect(error).toMatchObject({ kind: 'resourceExhausted', reason: 'TOO_MANY_REFUSED', retryAfterMs: 11_400 })
  })
})

describe('limits without Redis', () => {
  test('without Redis a replica limits each source by itself, and the log says so once', async () => {
    const lines: string[] = []
    const log = createLogger('test', 'info', { write: (line) => void lines.push(line) })
    const nowhere = new RefusedAttempts({ redisUrl: 'redis://127.0.0.1:1', clusterName, perMinute: 6, log })
    opened.push(nowhere)
    const ids = Array.from({ length: 10 }, () => randomUUID())
    expect(await nowhere.reserve('10.0.0.1', ids)).toEqual({ granted: 6, waitMs: 0 })
    expect(await nowhere.reserve('10.0.0.1', ids)).toEqual({ granted: 0, waitMs: 0 })
    for (const id of ids.slice(0, 6)) await nowhere.settle('10.0.0.1', id, true)
    expect(await nowhere.hit('10.0.0.1')).toBeGreaterThan(0)
    await hits(nowhere, '10.0.0.2', 6)
    expect(await nowhere.hit('10.0.0.2')).toBeGreaterThan(0)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('each replica counts refused attempts by itself')
  })

  test('a process that is too busy to hear Redis still checks no more guesses than the limit', async () => {
    const attempts = await open(20)
    const reserved = Array.from({ length: 5 }, (_, burst) => {
      const asked = attempts.reserve(
        '10.0.0.1',
        Array.from({ length: 64 }, (_, i) => `${burst}-${i}`),
      )
      // Longer than the time-out of a command, whose answer is thus not read in time.
      const until = performance.now() + 600
      while (performance.now() < until);
      return asked
    })
    const granted = (await Promise.all(reserved)).reduce((sum, answer) => sum + answer.granted, 0)
    expect(granted).toBe(20)
  })

  test('a Redis that does not answer delays no source for long', async () => {
    const answers: net.Socket[] = []
    const proxy = net.createServer((socket) => {
      const target = new URL(redis.url)
      const upstream = net.connect(Number(target.port), target.hostname)
      socket.on('error', () => upstream.destroy()).on('close', () => upstream.destroy())
      upstream.on('error', () => socket.destroy()).on('close', () => socket.destroy())
      socket.pipe(upstream).pipe(socket)
      answers.push(upstream)
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const url = new URL(redis.url)
    url.host = `127.0.0.1:${(proxy.address() as net.AddressInfo).port}`
    const attempts = new RefusedAttempts({ redisUrl: url.href, clusterName, perMinute: 2, log: silentLog })
    opened.push(attempts)
    await isCounting(attempts, redis)
    for (const upstream of answers) upstream.unpipe().pause()
    await hits(attempts, '10.0.0.1', 2)
    expect(await attempts.hit('10.0.0.1')).toBeGreaterThan(0)
    attempts.close()
    for (const upstream of answers) upstream.destroy()
    await new Promise((resolve) => proxy.close(resolve))
  })
})
