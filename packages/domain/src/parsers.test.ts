import { isIP } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { formatDuration, parseDuration } from './values/durations.ts'
import { AppError } from './errors/errors.ts'
import { formatInvitation, isInvitation, parseInvitation, type Invitation } from './tokens/invitation.ts'
import { formatLabels, parseLabelList, parseLabels } from './names/labels.ts'
import { decodeCursor, encodeCursor } from './values/paging.ts'
import { parseCidrs, parseHostnameGlobs } from './tokens/restrictions.ts'
import { NODE_ROLES } from './names/roles.ts'
import { isTokenId, newTokenId, newTokenValue, parseCustomTokenValue, tokenIdOf } from './tokens/token-value.ts'

// Properties that hold for every text, not only for the examples in other tests.

/** Letters from a set, from `min` to `max` of them. */
function letters(set: string, min: number, max: number): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...set.split('')), minLength: min, maxLength: max })
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
const PRINTABLE = Array.from({ length: 94 }, (_, i) => String.fromCharCode(0x21 + i)).join('')
/** Any text: plain, hostile, with halves of surrogate pairs. */
const anyText = fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 400 }), letters('mtk_@/?#%&=.:,', 0, 60))

const generatedToken = letters(BASE32, 32, 32).map((secret) => `mtk_abcdefghij_${secret}`)
const customToken = letters(PRINTABLE, 16, 256).filter(
  (text) => !/^(?:[./~]|mtk_)/.test(text) && new Set(text).size >= 6,
)
const token = fc.oneof(generatedToken, customToken)

const address = fc
  .tuple(
    fc.oneof(
      fc.constantFrom('auth', 'auth.example.com', 'localhost'),
      fc.ipV4(),
      fc.ipV6().map((ip) => `[${ip}]`),
    ),
    fc.integer({ min: 0, max: 65_535 }),
  )
  .map(([host, port]) => `${host}:${port}`)
const invitation: fc.Arbitrary<Invitation> = fc.record({
  address,
  token,
  caPins: fc.array(
    letters('0123456789abcdef', 64, 64).map((hex) => `sha256:${hex}`),
    { minLength: 1, maxLength: 10 },
  ),
  roles: fc.subarray([...NODE_ROLES], { minLength: 1 }),
})

/** Text with a few of its characters removed, doubled, replaced or moved. */
function damaged(whole: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const edit = fc.tuple(fc.nat(), fc.nat(8), fc.oneof(fc.constant(''), anyText, letters('@/?#%&=,: ', 1, 1)))
  return fc.tuple(whole, fc.array(edit, { minLength: 1, maxLength: 4 })).map(([text, edits]) =>
    edits.reduce((now, [at, length, put]) => {
      const from = at % (now.length + 1)
      return now.slice(0, from) + put + now.slice(from + length)
    }, text),
  )
}

/** What was refused says so as it should, and in words of its own. Undefined if nothing was. */
function refusalOf(run: () => unknown): string | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const { kind, reason, field } = error
    if (kind !== 'invalidArgument' || reason !== 'INVALID_FIELD' || field !== 'x') throw error
    return error.message
  }
}

/** True if eight characters of the secret in a row stand in the text. */
function repeats(text: string, secret: string): boolean {
  return Array.from({ length: Math.max(0, secret.length - 7) }, (_, i) => secret.slice(i, i + 8)).some((part) =>
    text.includes(part),
  )
}

describe('arbitrary text', () => {
  test.each<[string, (text: string) => unknown]>([
    ['a token value', (text) => parseCustomTokenValue(text, 'x')],
    ['an invitation', (text) => parseInvitation(text, 'x')],
    ['an invitation after its scheme', (text) => parseInvitation(`muster://${text}`, 'x')],
    ['the parameters of an invitation', (text) => parseInvitation(`muster://t@h:1?${text}`, 'x')],
    ['labels', (text) => parseLabelList(text, 'x')],
    ['a label', (text) => parseLabels({ [text]: text }, 'x')],
    ['a duration', (text) => parseDuration(text, 'x')],
    ['a network', (text) => parseCidrs([text], 'x')],
    ['a pattern of host names', (text) => parseHostnameGlobs([text], 'x')],
  ])('arbitrary text is %s or is refused', (_what, parse) => {
    fc.assert(
      fc.property(anyText, (text) => void refusalOf(() => parse(text))),
      { numRuns: 500 },
    )
  })

  test('arbitrary text is a page token of this system or is refused', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyText,
          fc.json().map((json) => Buffer.from(json).toString('base64url')),
        ),
        (text) => {
          let outcome: unknown
          try {
            outcome = decodeCursor(text, 2)?.map((part) => typeof part)
          } catch (error) {
            outcome = (error as AppError).field
          }
          expect([undefined, ['string', 'string'], 'page_token']).toContainEqual(outcome)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('arbitrary text is not taken for a generated token or its id', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, damaged(generatedToken)), (text) => {
        const id = tokenIdOf(text)
        expect(id === undefined || (isTokenId(id) && text.length === 47)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })
})

describe('a token value', () => {
  test('a token value of the generated form gives its id back, and is not a custom one', () => {
    fc.assert(
      fc.property(fc.constant(0).map(newTokenId), (id) => {
        const value = newTokenValue(id)
        expect(tokenIdOf(value)).toBe(id)
        expect(
          repeats(
            refusalOf(() => parseCustomTokenValue(value, 'x'))!,
            value,
          ),
        ).toBe(false)
      }),
    )
  })

  test('a token value of 16 to 256 printable characters is kept unchanged', () => {
    fc.assert(fc.property(customToken, (value) => expect(parseCustomTokenValue(value, 'x')).toBe(value)))
  })

  test('a refused token value is never repeated', () => {
    fc.assert(
      fc.property(fc.oneof(damaged(token), letters(PRINTABLE, 8, 15)), (value) => {
        expect(repeats(refusalOf(() => parseCustomTokenValue(value, 'x')) ?? '', value)).toBe(false)
      }),
      { numRuns: 500 },
    )
  })
})

describe('an invitation', () => {
  test('an invitation that was written can be read again', () => {
    fc.assert(
      fc.property(invitation, (made) => {
        const text = formatInvitation(made)
        expect(isInvitation(text)).toBe(true)
        expect(parseInvitation(text, 'x')).toEqual(made)
      }),
    )
  })

  test('a damaged invitation is refused without a part of its token, or reads as one', () => {
    const withSecret = invitation.chain((made) =>
      damaged(fc.constant(formatInvitation(made))).map((text) => ({ secret: made.token, text })),
    )
    fc.assert(
      fc.property(withSecret, ({ secret, text }) => {
        const message = refusalOf(() => parseInvitation(text, 'x')) ?? ''
        expect(repeats(message, secret) || repeats(message, encodeURIComponent(secret))).toBe(false)
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('labels', () => {
  const name = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
  const key = fc.tuple(letters(name, 1, 1), letters(`${name}._/-`, 0, 62)).map(([first, rest]) => first + rest)
  const value = letters(`${PRINTABLE} `, 0, 190)

  test('labels of any allowed text are kept, sorted by key', () => {
    fc.assert(
      fc.property(fc.dictionary(key, value, { maxKeys: 64 }), (labels) => {
        expect(parseLabels(labels, 'x')).toEqual(labels)
      }),
    )
  })

  test('labels that were written on one line can be read again', () => {
    // The line format cannot express a comma inside a value, nor spaces around one.
    const onOneLine = value.map((text) => text.replaceAll(',', ';').trim())
    fc.assert(
      fc.property(fc.dictionary(key, onOneLine, { maxKeys: 64 }), (labels) => {
        expect(parseLabelList(formatLabels(labels), 'x')).toEqual(labels)
      }),
    )
  })
})

describe('a duration', () => {
  test('a duration that was written can be read again', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 999_999_999 * 86_400 }), (seconds) => {
        expect(parseDuration(formatDuration(seconds), 'x')).toBe(seconds)
      }),
    )
  })

  test('a duration that was read is a whole number above zero', () => {
    const part = fc.tuple(fc.nat(999_999_999), letters('dhmsDHMS', 1, 1)).map((parts) => parts.join(''))
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
        const text = parts.join('')
        if (refusalOf(() => parseDuration(text, 'x')) !== undefined) return
        const seconds = parseDuration(text, 'x')
        expect(Number.isSafeInteger(seconds) && seconds > 0).toBe(true)
      }),
    )
  })
})

describe('a network', () => {
  test('a network that was read can be written and read again', () => {
    const network = fc.oneof(
      fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })),
      fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })),
    )
    fc.assert(
      fc.property(network, ([ip, length]) => {
        const [read] = parseCidrs([`${ip}/${length}`], 'x')
        expect(read).toBe(`${ip.toLowerCase()}/${length}`)
        expect(isIP(read!.split('/')[0]!)).not.toBe(0)
        expect(parseCidrs([read!], 'x')).toEqual([read])
      }),
    )
  })
})

describe('a page token', () => {
  test('a page token returns every key that a row can have', () => {
    // Postgres takes no NUL in a text, so no row has one.
    const part = anyText.map((text) => text.replaceAll('\0', ''))
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (key) => {
        expect(decodeCursor(encodeCursor(key), key.length)).toEqual(key)
        expect(() => decodeCursor(encodeCursor(key), key.length + 1)).toThrow('page_token')
      }),
    )
  })
})
