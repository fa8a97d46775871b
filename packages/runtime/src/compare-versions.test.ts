import { describe, expect, test } from '@jest/globals'
import { isOlderVersion, newerBy, parseSemanticVersion } from './compare-versions.ts'

describe('a semantic version', () => {
  test.each([
    ['1.2.3', '1.2.3'],
    ['v1.2.3', '1.2.3'],
    ['1.2.3-rc.1', '1.2.3-rc.1'],
  ])('%s is read as the version %s', (text, version) => {
    expect(parseSemanticVersion(text)).toBe(version)
  })

  test.each(['', '1.2', '1.2.3.4', 'latest', '01.2.3', '1.2.3 or so', `1.2.${'3'.repeat(300)}`])(
    '%j is rejected as a version',
    (text) => {
      expect(() => parseSemanticVersion(text)).toThrow('is not a version such as 1.2.3')
    },
  )

  test.each([
    ['0.9.0', '0.10.0', true],
    ['0.10.0', '0.9.0', false],
    ['1.0.0', '1.0.0', false],
    ['1.0.0-rc.2', '1.0.0', true],
    ['1.0.0-rc.2', '1.0.0-rc.10', true],
    ['1.0.0+build', '1.0.0', false],
    ['', '0.0.1', true],
    ['my-agent', '0.0.1', true],
  ])('%j is older than %s: %s', (version, than, expected) => {
    expect(isOlderVersion(version, than)).toBe(expected)
  })

  test.each([
    ['1.0.0', '1.0.0', 'no'],
    ['1.0.0', '1.0.1', 'no'],
    ['1.0.1', '1.0.0', 'compatible'],
    ['1.1.0', '1.0.9', 'compatible'],
    ['2.0.0', '1.9.9', 'incompatible'],
  ] as const)('%s is newer than %s: %s', (version, than, expected) => {
    expect(newerBy(version, than)).toBe(expected)
  })
})
