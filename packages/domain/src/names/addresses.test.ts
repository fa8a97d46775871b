import { describe, expect, test } from '@jest/globals'
import { isLoopback, parseAdvertisedAddress, parseServerAddress, resolveAddress, splitAddress } from './addresses.ts'
import { expectInvalid } from '../../test/support/failures.ts'

describe('an advertised address', () => {
  test.each(['', '10.0.0.7', '::1', '[::1]', '[fe80::1]:22', '10.0.0.7:22', 'web.example', 'web_1:65535'])(
    'an advertised address may be %j',
    (address) => {
      expect(parseAdvertisedAddress(address)).toBe(address)
    },
  )

  test.each([
    'web:0',
    'web:65536',
    'web:',
    'web:ssh',
    ':22',
    '[::1',
    '[::1]x',
    '[../..]:22',
    'http://web',
    'a b',
    'web\n:22',
    'wеb:22',
    '1.2.3.4:22:33',
    `fe80::1%${'a'.repeat(300)}`,
    `[fe80::1%${'a'.repeat(300)}]:22`,
  ])('an advertised address may not be %j', (address) => {
    expectInvalid(() => parseAdvertisedAddress(address), 'advertised_address')
  })
})

describe("a server's address", () => {
  test("a server's address gets the default port when it has none", () => {
    expect(parseServerAddress('muster.example', 'server', 3025)).toBe('muster.example:3025')
    expect(parseServerAddress(' 10.0.0.1 ', 'server', 3025)).toBe('10.0.0.1:3025')
    expect(parseServerAddress('::1', 'server', 3025)).toBe('[::1]:3025')
    expect(parseServerAddress('[::1]:9', 'server', 3025)).toBe('[::1]:9')
    expect(parseServerAddress('0.0.0.0:0', 'server')).toBe('0.0.0.0:0')
  })

  test.each(['muster.example', '::1', '', 'a:b', 'a:-1', 'a:65536', 'a:1e3', 'https://a:1', 'a/b:1', 'a@b:1', 'a\0:1'])(
    "a server's address may not be %j where a port is needed",
    (address) => {
      expectInvalid(() => parseServerAddress(address, 'server'), 'server')
    },
  )

  test("a server's address splits into host and port", () => {
    expect(splitAddress('a:1')).toEqual({ host: 'a', port: 1 })
    expect(splitAddress('a')).toEqual({ host: 'a', port: undefined })
    expect(splitAddress('[::1]:443')).toEqual({ host: '::1', port: 443 })
    expect(splitAddress('fe80::2')).toEqual({ host: 'fe80::2', port: undefined })
    expect(splitAddress('a:x').port).toBeNaN()
  })
})

test.each([
  [':3080', 'web.example:3025', 'web.example:3080'],
  [':3080', '[2001:db8::1]:3025', '[2001:db8::1]:3080'],
  ['other.example:443', 'web.example:3025', 'other.example:443'],
])('the address %s beside %s is %s', (given, base, resolved) => {
  expect(resolveAddress(given, base)).toBe(resolved)
})

describe('an address of the machine itself', () => {
  test.each([
    '127.0.0.1:3025',
    '127.8.9.10:1',
    '[::1]:3025',
    'localhost:3025',
    'db.localhost:1',
    '0.0.0.0:1',
    '[::ffff:127.0.0.1]:1',
  ])('%s leads each machine to itself', (address) => expect(isLoopback(address)).toBe(true))

  test.each(['10.0.0.1:3025', '[fe80::1]:3025', 'muster.example:3025', 'localhost.example:1', '128.0.0.1:1'])(
    '%s leads to another machine',
    (address) => expect(isLoopback(address)).toBe(false),
  )
})
