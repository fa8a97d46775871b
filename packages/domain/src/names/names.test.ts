import { describe, expect, test } from '@jest/globals'
import {
  isDnsName,
  parseAdvertisedAddress,
  parseClusterName,
  parseDnsName,
  parseHostname,
  parseMemberName,
  parseNodeId,
  parseServerAddress,
  parseTokenName,
  splitAddress,
} from './names.ts'
import { expectInvalid } from '../../test/support/failures.ts'

const LONGEST_LABEL = 'a'.repeat(63)
const LONGEST_NAME = `${`${LONGEST_LABEL}.`.repeat(3)}${'b'.repeat(61)}`

/** Names that must never reach a certificate, a file name or a terminal. */
const HOSTILE_NAMES = [
  '',
  ' ',
  '.',
  '..',
  '../etc/passwd',
  'a/../b',
  'a/b',
  'a\\b',
  'web\0',
  'web\0.evil',
  'web\n',
  'web\r\nX: y',
  ' web',
  'web ',
  'a'.repeat(64),
  'a'.repeat(300),
  `${'a.'.repeat(150)}a`,
  '.web',
  'web.',
  'a..b',
  '-web',
  'web-',
  '*.muster.internal',
  'web;rm -rf',
  'web%00',
  'web:80',
  'O=admin,CN=x',
  'wеb', // a Cyrillic e
  'ｗｅｂ', // full-width letters
  'web\u200b', // a zero-width space
  'web\u202eoof', // text that reads backwards
  'ſervice', // a long s, which folds to s
  '\u212aelvin', // the Kelvin sign, which folds to k
  'müster',
  '\ud800',
]

describe('a host name', () => {
  test.each(['web', 'WEB-01', 'db_primary', 'a', '10.0.0.1', 'node.eu.example', LONGEST_LABEL, LONGEST_NAME])(
    'may be %j',
    (name) => {
      expect(parseHostname(name)).toBe(name)
    },
  )

  test.each(HOSTILE_NAMES)('may not be %j', (name) => {
    expectInvalid(() => parseHostname(name), 'hostname')
  })

  test('of 254 characters is refused, whatever its labels', () => {
    expect(LONGEST_NAME).toHaveLength(253)
    expectInvalid(() => parseHostname(`${LONGEST_NAME}b`), 'hostname')
  })

  test('that is refused is shown cut short and without control characters', () => {
    const message = expectInvalid(() => parseHostname(`\u001b[31m\u009b\u202e${'x\n'.repeat(100)}`), 'hostname')
    expect(message).toMatch(/^[\x20-\x7e…]*$/)
    expect(message.length).toBeLessThan(500)
  })

  test('is named by the field that it came in', () => {
    expectInvalid(() => parseHostname('a b', '--nodename'), '--nodename')
  })
})

describe('a token in the place of a name', () => {
  const canary = 'canarycanarycanarycanarycanary22'

  test.each([
    ['a host', (text: string) => parseHostname(text, 'field')],
    ['a person or bot', (text: string) => parseMemberName(text, 'field')],
    ['a token', (text: string) => parseTokenName(text, 'field')],
    ['a cluster', (text: string) => parseClusterName(text, 'field')],
    ['a node', (text: string) => parseNodeId(text, 'field')],
    ['an address', (text: string) => parseAdvertisedAddress(text, 'field')],
  ])('of %s is refused and not repeated', (_whose, parse) => {
    expect(expectInvalid(() => parse(`mtk_abcdefghij_${canary}`), 'field')).not.toContain('canary')
  })
})

describe('a DNS name', () => {
  test('is folded to lower case', () => {
    expect(parseDnsName('Web.Example', 'dns')).toBe('web.example')
  })

  test.each([...HOSTILE_NAMES, 'db_primary'])('may not be %j', (name) => {
    expectInvalid(() => parseDnsName(name, 'dns'), 'dns')
  })

  test('is told from a host name that cannot stand in a certificate', () => {
    expect(isDnsName('db-primary')).toBe(true)
    expect(isDnsName('db_primary')).toBe(false)
    expect(isDnsName(LONGEST_NAME)).toBe(true)
    expect(isDnsName(`${LONGEST_NAME}b`)).toBe(false)
  })
})

describe('a cluster name', () => {
  test('is a DNS name with a dot', () => {
    expect(parseClusterName('Muster.Internal')).toBe('muster.internal')
    expectInvalid(() => parseClusterName('muster'), 'cluster name')
    expectInvalid(() => parseClusterName('muster.internal/node'), 'cluster name')
  })

  test('fits into the subject of a CA', () => {
    expect(parseClusterName(`${'a'.repeat(55)}.internal`)).toHaveLength(64)
    expectInvalid(() => parseClusterName(`${'a'.repeat(56)}.internal`), 'cluster name')
  })
})

describe("a person's or bot's name", () => {
  test.each(['ada', 'a', 'ci-bot.eu_1', `a${'b'.repeat(62)}`])('may be %j', (name) => {
    expect(parseMemberName(name)).toBe(name)
  })

  test.each(['', 'Ada', '1st', '-a', '.a', 'a/b', '../a', 'a\n', 'a\0', 'аda', `a${'b'.repeat(63)}`])(
    'may not be %j',
    (name) => {
      expectInvalid(() => parseMemberName(name), 'name')
    },
  )
})

describe('a node id', () => {
  test('is a UUID in lower case', () => {
    expect(parseNodeId('0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11')).toBe('0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11')
  })

  test.each([
    '',
    '0B7A7C3E-3A55-4B3F-8A6B-0D9A3F2F7E11',
    '0b7a7c3e3a554b3f8a6b0d9a3f2f7e11',
    '{0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11}',
    '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11\n',
    '../0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e1',
  ])('may not be %j', (id) => {
    expectInvalid(() => parseNodeId(id), 'node_id')
  })
})

describe('an advertised address', () => {
  test.each(['', '10.0.0.7', '::1', '[::1]', '[fe80::1]:22', '10.0.0.7:22', 'web.example', 'web_1:65535'])(
    'may be %j',
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
  ])('may not be %j', (address) => {
    expectInvalid(() => parseAdvertisedAddress(address), 'advertised_address')
  })
})

describe("a server's address", () => {
  test('gets the default port when it has none', () => {
    expect(parseServerAddress('muster.example', 'server', 3025)).toBe('muster.example:3025')
    expect(parseServerAddress(' 10.0.0.1 ', 'server', 3025)).toBe('10.0.0.1:3025')
    expect(parseServerAddress('::1', 'server', 3025)).toBe('[::1]:3025')
    expect(parseServerAddress('[::1]:9', 'server', 3025)).toBe('[::1]:9')
    expect(parseServerAddress('0.0.0.0:0', 'server')).toBe('0.0.0.0:0')
  })

  test.each(['muster.example', '::1', '', 'a:b', 'a:-1', 'a:65536', 'a:1e3', 'https://a:1', 'a/b:1', 'a@b:1', 'a\0:1'])(
    'may not be %j where a port is needed',
    (address) => {
      expectInvalid(() => parseServerAddress(address, 'server'), 'server')
    },
  )

  test('splits into host and port', () => {
    expect(splitAddress('a:1')).toEqual({ host: 'a', port: 1 })
    expect(splitAddress('a')).toEqual({ host: 'a', port: undefined })
    expect(splitAddress('[::1]:443')).toEqual({ host: '::1', port: 443 })
    expect(splitAddress('fe80::2')).toEqual({ host: 'fe80::2', port: undefined })
    expect(splitAddress('a:x').port).toBeNaN()
  })
})

describe("a token's name", () => {
  test.each(['ci', 'web-2026', 'a', 'build.eu_1', 'x'.repeat(63), 'abcdefghi', 'abcdefghijk', 'abcdefghi1'])(
    'may be %j',
    (name) => {
      expect(parseTokenName(name)).toBe(name)
    },
  )

  test.each(HOSTILE_NAMES.filter((name) => !/^[a-z][a-z.-]{0,62}$/.test(name)))('may not be %j', (name) => {
    expectInvalid(() => parseTokenName(name), 'name')
  })

  test('may not look like a token id, or the two could be confused', () => {
    expect(expectInvalid(() => parseTokenName('abcdefghij', 'metadata.name'), 'metadata.name')).toContain('token id')
    expectInvalid(() => parseTokenName('webserver2'), 'name')
  })
})
