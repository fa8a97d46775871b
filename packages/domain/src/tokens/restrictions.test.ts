import { describe, expect, test } from '@jest/globals'
import { MAX_RESTRICTIONS, parseCidrs, parseHostnameGlobs } from './restrictions.ts'
import { expectInvalid } from '../../test/support/failures.ts'

describe('networks that a token is restricted to', () => {
  test.each([
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    [' 192.0.2.7 ', '192.0.2.7/32'],
    ['2001:DB8::/32', '2001:db8::/32'],
    ['::1', '::1/128'],
    ['::ffff:192.0.2.1/128', '::ffff:192.0.2.1/128'],
    // Bits after the prefix are allowed, since people write the address of a machine in its network.
    ['10.1.2.3/08', '10.1.2.3/8'],
  ])('the network %j of a restriction reads %s', (text, network) => {
    expect(parseCidrs([text])).toEqual([network])
  })

  test.each([
    '',
    '/',
    '/8',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/8.0',
    '10.0.0.0/255.0.0.0',
    '10.0.0/8',
    '010.0.0.1',
    '0x0a000001',
    '256.0.0.1',
    '::/129',
    '::/1 28',
    'fe80::1%eth0',
    'fe80::%eth0/64',
    '[::1]/128',
    'example.com',
    '10.0.0.0/8,11.0.0.0/8',
    '10.0.0.0\u0000/8',
    '١٠.0.0.0/8',
  ])('the network of a restriction may not be %j', (text) => {
    expectInvalid(() => parseCidrs(['10.0.0.0/8', text], '--allow-cidr'), '--allow-cidr')
  })
})

describe('host names that a token is restricted to', () => {
  test.each([
    ['web-*.EU.example', 'web-*.eu.example'],
    [' web-0? ', 'web-0?'],
    ['*', '*'],
    ['db_primary', 'db_primary'],
    ['x'.repeat(253), 'x'.repeat(253)],
  ])('the host name %j of a restriction reads %s', (text, glob) => {
    expect(parseHostnameGlobs([text])).toEqual([glob])
  })

  test.each(['', ' ', 'a b', 'web-[01]', 'web%', 'a\\b', "a'b", 'a,b', 'web\u0000', 'wеb', 'x'.repeat(254)])(
    'the host name of a restriction may not be %j',
    (text) => {
      expectInvalid(() => parseHostnameGlobs(['web', text], '--allow-hostname'), '--allow-hostname')
    },
  )
})

describe('restrictions of one kind', () => {
  test('restrictions of one kind may be absent, and number 32 at most', () => {
    for (const [parse, entry] of [
      [parseCidrs, '10.0.0.0/8'],
      [parseHostnameGlobs, 'web'],
    ] as const) {
      expect(parse([])).toEqual([])
      const full = Array.from({ length: MAX_RESTRICTIONS }, () => entry)
      expect(parse(full)).toEqual(full)
      expect(expectInvalid(() => parse([...full, entry], 'x'), 'x')).toContain('32')
    }
  })
})
