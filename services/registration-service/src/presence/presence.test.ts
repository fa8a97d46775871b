import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { createRedis, eventually, type TestRedis } from '@muster/testkit'
import { createLogger } from '@muster/service-kit'
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:net'
import { Presence } from './presence.ts'
import { isConnected, openPresence, silentLog } from '../../test/support/service.ts'

const LONG_MS = 60_000
let redis: TestRedis
let clusterName: string
/** Two replicas. */
let here: Presence
let there: Presence
let heard: { here: string[]; there: string[] }

beforeAll(async () => {
  redis = await createRedis()
})
beforeEach(async () => {
  await redis.empty()
  clusterName = `${randomUUID()}.internal`
  ;[here, there] = await Promise.all([openPresence(redis, clusterName), openPresence(redis, clusterName)])
  heard = { here: [], there: [] }
  here.on('changed', (id) => heard.here.push(id))
  there.on('changed', (id) => heard.there.push(id))
})
afterEach(() => {
  here.close()
  there.close()
})
afterAll(async () => {
  await redis.close()
})

/** Beats, and waits until Redis has it. The time of the beat stays there when the node's presence has expired. */
async function beat(id: string, ttlMs = LONG_MS): Promise<void> {
  const lastBeat = () => redis.client.zscore(`muster:${clusterName}:alive`, id)
  const before = await lastBeat()
  here.beat(id, ttlMs)
  await eventually('in Redis', async () => (await lastBeat()) !== before)
}

/** Waits until a node's presence has expired. */
async function silence(id: string): Promise<void> {
  await eventually('silent', async () => (await redis.client.exists(`muster:${clusterName}:presence:${id}`)) === 0)
}

describe('a node that beats', () => {
  test('a node that beats is online on every replica, and is announced once', async () => {
    const id = randomUUID()
    const before = Date.now()
    await beat(id)
    await beat(id)
    await beat(id)
    const view = await there.view([id, randomUUID()], 0)
    expect(view).toMatchObject({ available: true, tooEarly: false })
    expect([...view.online.keys()]).toEqual([id])
    expect(Math.abs(view.online.get(id)!.getTime() - before)).toBeLessThan(10_000)
    await eventually('heard of', () => heard.there.length > 0 && heard.here.length > 0)
    expect(heard).toEqual({ here: [id], there: [id] })
  })

  test('beats of many nodes share one command, and each node is online', async () => {
    const ids = Array.from({ length: 2_500 }, () => randomUUID())
    for (const id of ids) here.beat(id, LONG_MS)
    await eventually('all online', async () => (await there.view(ids, 0)).online.size === 2_500)
    expect(await there.sweep(LONG_MS)).toBe(2_500)
  })

  test('a node that beats stays online for the time that it was told, and no longer', async () => {
    const id = randomUUID()
    await beat(id, 1_000)
    expect((await there.view([id], 0)).online.has(id)).toBe(true)
    await silence(id)
    expect((await there.view([id], 0)).online.has(id)).toBe(false)
  })
})

describe('a node that falls silent', () => {
  test('a node that falls silent is noticed once, by the first replica that sweeps, and announced to every replica', async () => {
    const id = randomUUID()
    await beat(id, 50)
    const { online } = await here.view([id], 0)
    await silence(id)
    expect((await there.view([id], 0)).silent.get(id)).toEqual(online.get(id))
    await Promise.all([here.sweep(50), there.sweep(50), here.sweep(50), there.sweep(50)])
    await eventually('heard of', () => heard.there.length === 2 && heard.here.length === 2)
    await Promise.all([here.sweep(50), there.sweep(50)])
    expect(heard).toEqual({ here: [id, id], there: [id, id] })
    const after = await there.view([id], 0)
    expect(after.online.size).toBe(0)
    expect(after.silent.get(id)).toEqual(online.get(id))
  })

  test('a node that falls silent is handed over with its last time until that is stored', async () => {
    const id = randomUUID()
    await beat(id, 50)
    const { online } = await here.view([id], 0)
    await silence(id)
    await here.sweep(50)
    const expected = [{ id, lastSeenAt: online.get(id) }]
    const failing = here.drainGone(async (seen) => {
      expect(seen).toEqual(expected)
      throw new Error('no database')
    })
    await expect(failing).rejects.toThrow('no database')
    const handedOver: unknown[] = []
    await there.drainGone(async (seen) => void handedOver.push(...seen))
    // A caller that read the node's row just before the update must still find the time here.
    expect((await here.view([id], 0)).silent.get(id)).toEqual(online.get(id))
    await there.drainGone(async (seen) => void handedOver.push(...seen))
    expect(handedOver).toEqual(expected)
    expect((await here.view([id], 0)).silent.size).toBe(0)
  })

  test('nodes that fall silent together are all noticed by one sweep and handed over by one call', async () => {
    const ids = Array.from({ length: 1_200 }, () => randomUUID())
    for (const id of ids) here.beat(id, 50)
    await eventually('all counted', async () => (await redis.client.zcard(`muster:${clusterName}:alive`)) === 1_200)
    await silence(ids.at(-1)!)
    await eventually('swept', async () => (await here.sweep(50)) === 0)
    const handedOver: string[] = []
    await here.drainGone(async (seen) => void handedOver.push(...seen.map(({ id }) => id)))
    expect(new Set(handedOver)).toEqual(new Set(ids))
    await here.drainGone(async () => {})
    expect(await redis.client.zcard(`muster:${clusterName}:gone`)).toBe(0)
  })

  test('a node that falls silent and comes back is online again, and is announced', async () => {
    const id = randomUUID()
    await beat(id, 50)
    await silence(id)
    await here.sweep(50)
    await beat(id)
    expect((await there.view([id], 0)).online.has(id)).toBe(true)
    await eventually('heard of', () => heard.there.length === 3)
    expect(await here.sweep(50)).toBe(1)
    expect(heard.there).toEqual([id, id, id])
  })

  test('a node that was told a longer interval does not fall silent early', async () => {
    const [quick, slow] = [randomUUID(), randomUUID()]
    await beat(quick, 50)
    await beat(slow, LONG_MS)
    await silence(quick)
    expect(await here.sweep(10)).toBe(1)
    await eventually('heard of', () => heard.there.length === 3)
    expect(heard.there).toEqual([quick, slow, quick])
    expect((await there.view([slow], 0)).online.has(slow)).toBe(true)
  })
})

describe('an emptied Redis', () => {
  test('an emptied Redis reports no node as offline until it has received beats for the offline limit', async () => {
    const [beating, other] = [randomUUID(), randomUUID()]
    await beat(beating)
    await beat(other)
    await redis.empty()
    expect(await there.view([beating, other], 500)).toMatchObject({ available: true, tooEarly: true })
    expect((await there.view([beating], 500)).online.size).toBe(0)
    await beat(beating)
    const young = await there.view([beating, other], 60_000)
    expect(young.tooEarly).toBe(true)
    expect([...young.online.keys()]).toEqual([beating])
    await eventually('old enough', async () => !(await there.view([other], 500)).tooEarly)
  })

  test('an emptied Redis makes followers start over once it can tell which nodes are offline', async () => {
    let resyncs = 0
    here.on('resync', () => (resyncs += 1))
    await here.sweep(300)
    await here.sweep(300)
    expect(resyncs).toBe(0)
    await eventually('started over', async () => {
      await here.sweep(300)
      return resyncs > 0
    })
    await here.sweep(300)
    expect(resyncs).toBe(1)
  })
})

test('a Redis that no replica has reached for a while reports no node as offline before it has received beats again', async () => {
  const [silent, other] = [randomUUID(), randomUUID()]
  await beat(silent, 50)
  await silence(silent)
  const epoch = `muster:${clusterName}:epoch`
  await eventually('old enough', async () => (await here.sweep(1_000)) === 0)
  expect((await there.view([silent], 1_000)).tooEarly).toBe(false)
  await eventually('out of reach', async () => (await redis.client.exists(epoch)) === 0)
  await beat(other, LONG_MS)
  expect((await there.view([silent], 1_000)).tooEarly).toBe(true)
  expect(await here.sweep(LONG_MS)).toBe(1)
  expect((await there.view([silent], LONG_MS)).tooEarly).toBe(true)
})

describe('a change', () => {
  test('a change is announced to every replica', async () => {
    const id = randomUUID()
    here.announce(id)
    await eventually('heard of', () => heard.there.length === 1 && heard.here.length === 1)
    expect(heard).toEqual({ here: [id], there: [id] })
  })

  test('a change is announced within its own cluster only', async () => {
    const neighbour = await openPresence(redis)
    const id = randomUUID()
    neighbour.announce(randomUUID())
    neighbour.beat(randomUUID(), LONG_MS)
    here.announce(id)
    await eventually('heard of', () => heard.there.length > 0)
    expect(heard.there).toEqual([id])
    neighbour.close()
  })

  test('a change that names no node is ignored, on whichever channel it comes', async () => {
    const id = randomUUID()
    await redis.client.publish(`muster:${clusterName}:changed`, "'; drop table nodes --")
    await redis.client.zadd(`muster:${clusterName}:gone`, 1, "'; drop table nodes --")
    here.announce(id)
    await eventually('heard of', () => heard.there.length > 0)
    expect(heard.there).toEqual([id])
    const handedOver: unknown[] = []
    await here.drainGone(async (seen) => void handedOver.push(...seen))
    expect(handedOver).toEqual([])
  })
})

/** Cuts the connections of this test file, which has a database of its own, and of no other. */
async function cutConnections(): Promise<void> {
  const mine = await redis.client.client('ID')
  const database = new URL(redis.url).pathname.slice(1)
  const list = (await redis.client.client('LIST')) as string
  for (const line of list.split('\n')) {
    const id = /^id=(\d+) /.exec(line)?.[1]
    if (id === undefined || id === String(mine) || !line.includes(` db=${database} `)) continue
    await redis.client.call('CLIENT', 'KILL', 'ID', id)
  }
}

describe('a Redis that cannot be reached', () => {
  async function closedPort(): Promise<number> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    await new Promise((resolve) => server.close(resolve))
    return port
  }

  test('a Redis that cannot be reached makes presence unknown and causes no error, with one line in the log that hides its password', async () => {
    const lines: string[] = []
    const log = createLogger('test', 'debug', { write: (line) => void lines.push(line) })
    const redisUrl = `redis://:CANARY@127.0.0.1:${await closedPort()}/0`
    const away = new Presence({ redisUrl, clusterName, log })
    const id = randomUUID()
    for (let i = 0; i < 50; i++) {
      away.beat(id, LONG_MS)
      away.announce(id)
      expect(await away.view([id], 100)).toEqual({
        available: false,
        tooEarly: true,
        online: new Map(),
        silent: new Map(),
      })
    }
    expect(await isConnected(away)).toBe(false)
    await expect(away.sweep(100)).rejects.toThrow()
    await expect(away.drainGone(async () => {})).rejects.toThrow()
    expect(lines.length).toBe(1)
    expect(lines[0]).toContain('Redis is not usable')
    expect(lines[0]).not.toContain('CANARY')
    away.close()
  })

  test('the presence of no nodes is known without a question to Redis', async () => {
    const away = new Presence({ redisUrl: `redis://127.0.0.1:${await closedPort()}/0`, clusterName, log: silentLog })
    expect((await away.view([], 100)).available).toBe(true)
    away.close()
  })

  test('a Redis that cannot be reached is used again once it is back, and followers start over', async () => {
    let resyncs = 0
    there.on('resync', () => (resyncs += 1))
    await cutConnections()
    await eventually('back', async () => resyncs === 1 && (await isConnected(here)) && (await isConnected(there)))
    const id = randomUUID()
    await beat(id)
    await eventually('heard of', () => heard.there.includes(id))
    expect((await there.view([id], 0)).online.has(id)).toBe(true)
  })
})

describe('closing', () => {
  test('closing presence with beats in progress drops them without an error', async () => {
    const presence = await openPresence(redis)
    presence.beat(randomUUID(), LONG_MS)
    presence.close()
    presence.beat(randomUUID(), LONG_MS)
    presence.announce(randomUUID())
    expect(await isConnected(presence)).toBe(false)
    presence.close()
  })
})

describe('a sweep right after the start', () => {
  let starting: Presence
  afterEach(() => starting.close())

  test('a sweep right after the start waits for the first connection to Redis', async () => {
    starting = new Presence({ redisUrl: redis.url, clusterName, log: silentLog })
    await expect(starting.sweep(LONG_MS)).resolves.toBe(0)
  })

  test('a sweep right after the start rejects when the first connection to Redis fails', async () => {
    starting = new Presence({ redisUrl: 'redis://127.0.0.1:1', clusterName, log: silentLog })
    await expect(starting.sweep(LONG_MS)).rejects.toThrow()
  })
})
