import { describe, expect, test } from '@jest/globals'
import { parseRedisUrl, prefixOf } from './redis-url.ts'

describe('the address of a Redis', () => {
  test.each(['redis://:secret@10.0.0.1:6379/2', 'rediss://redis.example', '/run/redis.sock'])(
    '%s is one server, in a form of ioredis',
    (url) => {
      expect(parseRedisUrl(url)).toEqual({ kind: 'single', url })
    },
  )

  test('Sentinels are named with their primary, a database and the password of each kind', () => {
    const url = 'rediss+sentinel://muster:a%2Fb@s1.example:5000,[2001:db8::1],10.0.0.3/main/2?sentinel_password=c%26d'
    expect(parseRedisUrl(url)).toEqual({
      kind: 'sentinel',
      sentinels: [
        { host: 's1.example', port: 5_000 },
        { host: '2001:db8::1', port: 26_379 },
        { host: '10.0.0.3', port: 26_379 },
      ],
      name: 'main',
      db: 2,
      sentinel: { password: 'c&d' },
      tls: true,
      username: 'muster',
      password: 'a/b',
    })
  })

  test('the nodes of a cluster need no more than hosts', () => {
    expect(parseRedisUrl('redis+cluster://10.0.0.1,10.0.0.2:7000')).toEqual({
      kind: 'cluster',
      nodes: [
        { host: '10.0.0.1', port: 6_379 },
        { host: '10.0.0.2', port: 7_000 },
      ],
      tls: false,
    })
  })

  test.each([
    ['another kind', 'redis+ring://:CANARY@10.0.0.1'],
    ['Sentinels without the name of a primary', 'redis+sentinel://:CANARY@10.0.0.1:26379'],
    ['a database that is no number', 'redis+sentinel://:CANARY@10.0.0.1/main/first'],
    ['a cluster with a database', 'redis+cluster://:CANARY@10.0.0.1/2'],
    ['no host', 'redis+cluster://:CANARY@'],
    ['a host without a name', 'redis+cluster://:CANARY@10.0.0.1,,10.0.0.2'],
    ['a port out of range', 'redis+cluster://:CANARY@10.0.0.1:70000'],
    ['a password with a slash', 'redis+cluster://:CANARY/x@10.0.0.1'],
    ['a password with an @', 'redis+sentinel://:CANARY@x@10.0.0.1/main'],
  ])('%s is refused, and the message has no password', (_what, url) => {
    expect(() => parseRedisUrl(url)).toThrow(/^(?!.*CANARY)/s)
  })
})

test('in a cluster of Redis, all keys of a muster cluster are in one slot', () => {
  expect(prefixOf('redis+cluster://10.0.0.1', 'lab.example')).toBe('muster:{lab.example}:')
  expect(prefixOf('redis+sentinel://10.0.0.1/main', 'lab.example')).toBe('muster:lab.example:')
  expect(prefixOf('redis://10.0.0.1', 'lab.example')).toBe('muster:lab.example:')
})
