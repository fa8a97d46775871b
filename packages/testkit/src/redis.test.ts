import { afterAll, describe, expect, test } from '@jest/globals'
import { createRedis, type TestRedis } from './redis.ts'

const open: TestRedis[] = []
afterAll(async () => {
  for (const redis of open) await redis.close()
})

describe('the Redis database of a test file', () => {
  test('the Redis database of a test file is leased to one caller of 64 that ask at once', async () => {
    open.push(...(await Promise.all(Array.from({ length: 64 }, createRedis))))
    expect(new Set(open.map(({ url }) => url)).size).toBe(64)
  })

  test('the Redis database of a test file can be leased again after it was closed, and is empty then', async () => {
    const first = open.pop()!
    await first.client.set('left', 'behind')
    await first.close()
    const again = await createRedis()
    open.push(again)
    expect(again.url).toBe(first.url)
    expect(await again.client.dbsize()).toBe(0)
  })
})
