import { describe, expect, test } from '@jest/globals'
import { lengthOf, pad, wrapped } from './text-width.ts'

describe('wrapped text', () => {
  test('wrapped text breaks at spaces and after commas', () => {
    expect(wrapped('one two, three', 9, 2)).toBe('  one\n  two,\n  three\n')
    expect(wrapped('env=prod,team=web,zone=a', 18)).toBe('env=prod,team=web,\nzone=a\n')
  })

  test('wrapped text leaves a word that is too long whole, on a line of its own', () => {
    expect(wrapped('see sha256:0123456789abcdef now', 12, 2)).toBe('  see\n  sha256:0123456789abcdef\n  now\n')
  })

  test('wrapped text is one line without a limit', () => {
    expect(wrapped('one two, three')).toBe('one two, three\n')
  })
})

test('characters outside the basic plane count once', () => {
  expect(lengthOf('a🚀b')).toBe(3)
  expect(pad('🚀', 3)).toBe('🚀  ')
})
