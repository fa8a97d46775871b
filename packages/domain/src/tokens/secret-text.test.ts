import { describe, expect, test } from '@jest/globals'
import { secretText, secretWord } from './secret-text.ts'

const TOKEN = 'mtk_canary-0123456789'
const utf16 = Buffer.from(`\ufeff${TOKEN}\r\n`, 'utf16le')

describe('a secret', () => {
  test.each<[string, string | Buffer]>([
    ['as itself', TOKEN],
    ['with a line end, as from echo or a Kubernetes secret', `${TOKEN}\n`],
    ['with white space around it', ` \t${TOKEN}\r\n\r\n`],
    ['as the bytes of a file', Buffer.from(`${TOKEN}\n`)],
    ['with a UTF-8 byte order mark', Buffer.from(`\ufeff${TOKEN}\n`)],
    ['with a byte order mark in a variable', `\ufeff${TOKEN}`],
  ])('a secret %s is read the same', (_what, given) => {
    expect(secretText(given, 'x')).toBe(TOKEN)
    expect(secretWord(given, 'x')).toBe(TOKEN)
  })

  test.each<[string, string | Buffer, string]>([
    ['is empty', '', '--token is empty'],
    ['is white space', Buffer.from(' \n'), '--token is empty'],
    ['stands in double quotes', `"${TOKEN}"\n`, '--token stands in quotes; remove them'],
    ['stands in single quotes', Buffer.from(`'${TOKEN}'`), '--token stands in quotes; remove them'],
    ['is UTF-16', utf16, '--token is UTF-16, as its byte order mark says; save it as UTF-8'],
    ['is big-endian UTF-16', Buffer.from(utf16).swap16(), '--token is UTF-16, as its byte order mark says'],
    ['is UTF-16 without a mark', utf16.subarray(2), '--token is UTF-16 or no text: it has zero bytes'],
    ['is no text', Buffer.from([0x41, 0xc3, 0x28]), '--token is not UTF-8 text; save it as UTF-8'],
  ])('a secret that %s is refused, and the message says so without repeating it', (_what, given, message) => {
    const read = () => secretText(given, '--token')
    expect(read).toThrow(message)
    expect(read).not.toThrow('canary')
  })

  test('a token with white space inside is refused; a secret of another kind may have it', () => {
    expect(() => secretWord('two tokens', '--token')).toThrow('--token has white space inside')
    expect(secretText('two\nlines', 'x')).toBe('two\nlines')
  })
})
