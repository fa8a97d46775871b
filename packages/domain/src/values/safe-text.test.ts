import { expect, test } from '@jest/globals'
import { escapeUnsafe, isUnsafe, safeText } from './safe-text.ts'

test.each([
  ['an escape sequence', '\u001b[2J'],
  ['a C1 control', '\u009b2J'],
  ['a line break', '\r\n'],
  ['a right-to-left override', '\u202e'],
  ['a bidirectional isolate', '\u2066'],
  ['an Arabic letter mark', '\u061c'],
  ['a zero-width space', '\u200b'],
  ['a soft hyphen', '\u00ad'],
  ['an interlinear annotation', '\ufff9'],
])('%s is removed from text, and escaped where it is quoted', (_what, characters) => {
  const shown = safeText(`web${characters}1`)
  expect(shown).toMatch(/^web[\x20-\x7e]*1$/)
  expect(isUnsafe(characters)).toBe(true)
  expect(JSON.parse(escapeUnsafe(JSON.stringify(`web${characters}1`)))).toBe(`web${characters}1`)
  expect(escapeUnsafe(JSON.stringify(`web${characters}1`))).toMatch(/^[\x20-\x7e]*$/)
})

test('text without special characters is left as it is, in any script', () => {
  expect(safeText('web-1 Ünïcödé 机器 🙂')).toBe('web-1 Ünïcödé 机器 🙂')
})
