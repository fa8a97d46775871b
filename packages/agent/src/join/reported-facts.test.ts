import { describe, expect, test } from '@jest/globals'
import { MAX_LABELS, parseLabels } from '@muster/domain'
import { reportedFacts } from './reported-facts.ts'

function labelsOf(labels: Record<string, string>, hostname = 'web-1') {
  return reportedFacts({ hostname, labels, advertisedAddress: '' }).labels
}

describe('the labels that a node reports', () => {
  test('the labels have the host name beside those that the user gave', () => {
    expect(labelsOf({})).toEqual({ hostname: 'web-1' })
    expect(labelsOf({ env: 'prod' })).toEqual({ env: 'prod', hostname: 'web-1' })
  })

  test('the labels keep a label hostname that the user gave', () => {
    expect(labelsOf({ hostname: 'front' })).toEqual({ hostname: 'front' })
  })

  test('the labels stay within their limits', () => {
    const full = Object.fromEntries(Array.from({ length: MAX_LABELS }, (_, i) => [`label-${i}`, '']))
    expect(labelsOf(full)).toEqual(full)
    const long = Array.from({ length: 4 }, () => 'a'.repeat(62)).join('.')
    expect(labelsOf({}, long)).toEqual({})
    expect(Object.keys(parseLabels(labelsOf({}, long.slice(0, 248))))).toEqual(['hostname'])
  })
})
