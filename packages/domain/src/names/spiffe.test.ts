import { describe, expect, test } from '@jest/globals'
import { formatSpiffeId, MEMBER_KINDS, parseSpiffeId } from './spiffe.ts'

describe('a SPIFFE id', () => {
  test.each(MEMBER_KINDS)('a SPIFFE id of a %s reads as it was written', (kind) => {
    const id = { clusterName: 'muster.internal', kind, name: 'a-1.b_2' }
    expect(parseSpiffeId(formatSpiffeId(id))).toEqual(id)
  })

  test.each([
    '',
    'spiffe://muster.internal',
    'spiffe://muster.internal/node',
    'spiffe://muster.internal/node/',
    'spiffe://muster.internal/node/a/b',
    'spiffe://muster.internal/robot/a',
    'spiffe://muster.internal/Node/a',
    'spiffe://MUSTER.internal/node/a',
    'spiffe://muster.internal/node/a?x=1',
    'spiffe://muster.internal/node/a#x',
    'spiffe://muster.internal:80/node/a',
    'spiffe://u@muster.internal/node/a',
    'https://muster.internal/node/a',
    ' spiffe://muster.internal/node/a',
    'spiffe://muster.internal/node/a\n',
    'spiffe://muster.internal/node/a%2fb',
    'spiffe://muster.internal/nоde/a',
    `spiffe://muster.internal/node/${'a'.repeat(129)}`,
    'spiffe://muster.internal/constructor/a',
  ])('%j is not a SPIFFE id', (text) => {
    expect(parseSpiffeId(text)).toBeUndefined()
  })
})
