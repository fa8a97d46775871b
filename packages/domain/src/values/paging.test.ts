import { describe, expect, test } from '@jest/globals'
import { decodeCursor, encodeCursor, parsePageSize } from './paging.ts'
import { expectInvalid } from '../../test/support/failures.ts'

describe('a page size', () => {
  test('a page size is 100 when not given, and 1000 at most', () => {
    expect(parsePageSize(0)).toBe(100)
    expect(parsePageSize(1)).toBe(1)
    expect(parsePageSize(1_000)).toBe(1_000)
    expectInvalid(() => parsePageSize(1_001), 'page_size')
  })
})

describe('a page token', () => {
  test('a page token returns the key of the last row', () => {
    const key = ['müster "x"', '2026-01-01T00:00:00.000Z']
    expect(decodeCursor(encodeCursor(key), 2)).toEqual(key)
    expect(decodeCursor('', 2)).toBeUndefined()
  })

  test.each([
    'x',
    '!!!',
    encodeCursor(['a']),
    encodeCursor(['a', 'b', 'c']),
    Buffer.from('{"0":"a","1":"b","length":2}').toString('base64url'),
    Buffer.from('["a",1]').toString('base64url'),
    Buffer.from('null').toString('base64url'),
    encodeCursor(['a\0', 'b']),
  ])('a page token that this system did not make is refused: %s', (token) => {
    expectInvalid(() => decodeCursor(token, 2), 'page_token')
  })
})
