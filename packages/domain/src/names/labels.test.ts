import { describe, expect, test } from '@jest/globals'
import { formatLabels, parseLabelList, parseLabels } from './labels.ts'
import { expectInvalid } from '../../test/support/failures.ts'

function manyLabels(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`key-${i}`, 'x']))
}

describe('labels', () => {
  test('labels are sorted by key', () => {
    expect(Object.keys(parseLabels({ b: '1', a: '2', 'app/tier': 'web' }))).toEqual(['a', 'app/tier', 'b'])
  })

  test('labels may number 64 and not 65', () => {
    expect(Object.keys(parseLabels(manyLabels(64)))).toHaveLength(64)
    expect(expectInvalid(() => parseLabels(manyLabels(65)), 'labels')).toContain('65')
  })

  test('labels may take 256 bytes each and not 257', () => {
    expect(parseLabels({ key: 'v'.repeat(253) })).toEqual({ key: 'v'.repeat(253) })
    expectInvalid(() => parseLabels({ key: 'v'.repeat(254) }), 'labels')
  })

  test.each(['', '-a', '.a', '/a', '__proto__', 'a b', 'a\n', 'a\0', 'a=b', 'a,b', 'ключ', 'k'.repeat(64)])(
    'labels may not have the key %j',
    (key) => {
      expectInvalid(() => parseLabels(Object.fromEntries([[key, 'v']])), 'labels')
    },
  )

  test.each(['a\nb', 'a\0', '\u001b[31m', 'wert\u00e9', '\u202e'])('labels may not have the value %j', (value) => {
    expectInvalid(() => parseLabels({ key: value }), 'labels')
  })

  test('labels that are named like members of every object are ordinary labels', () => {
    expect(parseLabels({ constructor: 'x', toString: 'y' })).toEqual({ constructor: 'x', toString: 'y' })
  })
})

describe('labels on a command line', () => {
  test('labels on a command line are read and written back', () => {
    expect(parseLabelList(' env=prod , team=a=b,,empty=')).toEqual({ env: 'prod', team: 'a=b', empty: '' })
    expect(parseLabelList('')).toEqual({})
    expect(formatLabels(parseLabelList('b=2,a=1'))).toBe('a=1,b=2')
  })

  test.each(['env', '=prod', 'env=prod,env=test', 'env=prod,__proto__=x'])(
    'labels on a command line may not be %j',
    (text) => {
      expectInvalid(() => parseLabelList(text, '--labels'), '--labels')
    },
  )
})
