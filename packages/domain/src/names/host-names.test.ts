import { describe, expect, test } from '@jest/globals'
import { isDnsName, parseClusterName, parseDnsName, parseHostname } from './host-names.ts'
import { expectInvalid } from '../../test/support/failures.ts'
import { HOSTILE_NAMES, LONGEST_LABEL, LONGEST_NAME } from '../../test/support/hostile-names.ts'

describe('a host name', () => {
  test.each(['web', 'WEB-01', 'db_primary', 'a', '10.0.0.1', 'node.eu.example', LONGEST_LABEL, LONGEST_NAME])(
    'a host name may be %j',
    (name) => {
      expect(parseHostname(name)).toBe(name)
    },
  )

  test.each(HOSTILE_NAMES)('a host name may not be %j', (name) => {
    expectInvalid(() => parseHostname(name), 'hostname')
  })

  test('a host name of 254 characters is refused, whatever its labels', () => {
    expect(LONGEST_NAME).toHaveLength(253)
    expectInvalid(() => parseHostname(`${LONGEST_NAME}b`), 'hostname')
  })

  test('a refused host name is shown shortened and without control characters', () => {
    const message = expectInvalid(() => parseHostname(`\u001b[31m\u009b\u202e${'x\n'.repeat(100)}`), 'hostname')
    expect(message).toMatch(/^[\x20-\x7e…]*$/)
    expect(message.length).toBeLessThan(500)
  })

  test('the error for a host name names the field', () => {
    expectInvalid(() => parseHostname('a b', '--nodename'), '--nodename')
  })
})

describe('a DNS name', () => {
  test('a DNS name is folded to lower case', () => {
    expect(parseDnsName('Web.Example', 'dns')).toBe('web.example')
  })

  test.each([...HOSTILE_NAMES, 'db_primary'])('a DNS name may not be %j', (name) => {
    expectInvalid(() => parseDnsName(name, 'dns'), 'dns')
  })

  test('a DNS name is distinguished from a host name that cannot stand in a certificate', () => {
    expect(isDnsName('db-primary')).toBe(true)
    expect(isDnsName('db_primary')).toBe(false)
    expect(isDnsName(LONGEST_NAME)).toBe(true)
    expect(isDnsName(`${LONGEST_NAME}b`)).toBe(false)
  })
})

describe('a cluster name', () => {
  test('a cluster name is a DNS name with a dot', () => {
    expect(parseClusterName('Muster.Internal')).toBe('muster.internal')
    expectInvalid(() => parseClusterName('muster'), 'cluster name')
    expectInvalid(() => parseClusterName('muster.internal/node'), 'cluster name')
  })

  test('a cluster name fits into the subject of a CA', () => {
    expect(parseClusterName(`${'a'.repeat(55)}.internal`)).toHaveLength(64)
    expectInvalid(() => parseClusterName(`${'a'.repeat(56)}.internal`), 'cluster name')
  })
})
