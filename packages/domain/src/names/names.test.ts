import { describe, expect, test } from '@jest/globals'
import { parseClusterName, parseHostname } from './host-names.ts'
import { parseAdvertisedAddress } from './addresses.ts'
import { parseMemberName, parseNewMemberName, parseNodeId, parseTokenName } from './names.ts'
import { SERVICE_NAMES } from './services.ts'
import { expectInvalid } from '../../test/support/failures.ts'
import { HOSTILE_NAMES } from '../../test/support/hostile-names.ts'

describe('a token in the place of a name', () => {
  const canary = 'canarycanarycanarycanarycanary22'

  test.each([
    ['a host', (text: string) => parseHostname(text, 'field')],
    ['a person or bot', (text: string) => parseMemberName(text, 'field')],
    ['a token', (text: string) => parseTokenName(text, 'field')],
    ['a cluster', (text: string) => parseClusterName(text, 'field')],
    ['a node', (text: string) => parseNodeId(text, 'field')],
    ['an address', (text: string) => parseAdvertisedAddress(text, 'field')],
  ])('a token in the place of the name of %s is refused and not repeated', (_whose, parse) => {
    expect(expectInvalid(() => parse(`mtk_abcdefghij_${canary}`), 'field')).not.toContain('canary')
  })
})

describe("a person's or bot's name", () => {
  test.each(['ada', 'a', 'ci-bot.eu_1', `a${'b'.repeat(62)}`])("a person's or bot's name may be %j", (name) => {
    expect(parseMemberName(name)).toBe(name)
  })

  test.each(['', 'Ada', '1st', '-a', '.a', 'a/b', '../a', 'a\n', 'a\0', 'аda', `a${'b'.repeat(63)}`])(
    "a person's or bot's name may not be %j",
    (name) => {
      expectInvalid(() => parseMemberName(name), 'name')
    },
  )
})

describe('the name of a new person or bot', () => {
  test.each(['ada', 'operators', 'ca-service-2', 'registration', 'abcdef01-0000'])('it may be %j', (name) => {
    expect(parseNewMemberName(name)).toBe(name)
  })

  test.each(['operator', ...SERVICE_NAMES, 'abcdef01-3a55-4b3f-8a6b-0d9a3f2f7e11'])(
    'it may not be %j, which a foreign program could take for a node or a service',
    (name) => {
      expect(expectInvalid(() => parseNewMemberName(name, 'bot_name'), 'bot_name')).toContain('choose another')
      // Those who have such a name keep it.
      expect(parseMemberName(name)).toBe(name)
    },
  )
})

describe('a node id', () => {
  test('a node id is a UUID in lower case', () => {
    expect(parseNodeId('0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11')).toBe('0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11')
  })

  test.each([
    '',
    '0B7A7C3E-3A55-4B3F-8A6B-0D9A3F2F7E11',
    '0b7a7c3e3a554b3f8a6b0d9a3f2f7e11',
    '{0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11}',
    '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e11\n',
    '../0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e1',
  ])('a node id may not be %j', (id) => {
    expectInvalid(() => parseNodeId(id), 'node_id')
  })
})

describe("a token's name", () => {
  test.each(['ci', 'web-2026', 'a', 'build.eu_1', 'x'.repeat(63), 'abcdefghi', 'abcdefghijk', 'abcdefghi1'])(
    "a token's name may be %j",
    (name) => {
      expect(parseTokenName(name)).toBe(name)
    },
  )

  test.each(HOSTILE_NAMES.filter((name) => !/^[a-z][a-z.-]{0,62}$/.test(name)))(
    "a token's name may not be %j",
    (name) => {
      expectInvalid(() => parseTokenName(name), 'name')
    },
  )

  test("a token's name may not look like a token id, since the two could be confused", () => {
    expect(expectInvalid(() => parseTokenName('abcdefghij', 'metadata.name'), 'metadata.name')).toContain('token id')
    expectInvalid(() => parseTokenName('webserver2'), 'name')
  })
})
