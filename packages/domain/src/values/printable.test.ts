import { describe, expect, test } from '@jest/globals'
import { printable } from './printable.ts'

describe('text made safe to show', () => {
  test('text made safe to show is quoted, and has only printable ASCII', () => {
    expect(printable('a"b')).toBe(String.raw`"a\"b"`)
    expect(printable('\u0000\n\u007f\u009b\u202e\u2028é')).toBe(String.raw`"\u0000\n\u007f\u009b\u202e\u2028\u00e9"`)
  })

  test('text made safe to show has no generated token', () => {
    const secret = 'canarycanarycanarycanarycanary22'
    expect(printable(`x mtk_abcdefghij_${secret} MTK_ABCDEFGHIJ_${secret.toUpperCase()}`)).not.toMatch(/canary/i)
    expect(printable(`${'x'.repeat(40)}mtk_abcdefghij_${secret}`)).not.toMatch(/canary/i)
    expect(printable(`mtk_abcdefghij_${secret.slice(0, 20)}`)).not.toMatch(/canary/i)
    expect(printable('mtk_abcdefghij')).toBe('"mtk_abcdefghij"')
  })

  test('text made safe to show is cut off after 64 characters', () => {
    expect(printable('x'.repeat(64))).toBe(`"${'x'.repeat(64)}"`)
    expect(printable('x'.repeat(65))).toBe(`"${'x'.repeat(64)}…"`)
  })
})
