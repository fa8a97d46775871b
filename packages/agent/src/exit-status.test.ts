import { describe, expect, test } from '@jest/globals'
import { AppError, ClockError, type ErrorKind, refusal } from '@muster/domain'
import { EXIT, exitStatusOf, explain, NotTrustedError, WrongPinError } from './exit-status.ts'
import { UsageError } from '@muster/cli-kit'

describe('the exit status', () => {
  test.each<[string, unknown, number]>([
    ['bad usage', new UsageError('x'), 2],
    ['a server that is not trusted', new NotTrustedError('x'), 4],
    ['a server that does not match the pin', new WrongPinError('x'), 4],
    ['a certificate that the clock does not fit', new AppError('unavailable', 'x', { cause: new ClockError('x') }), 5],
    ['an unforeseen error', new TypeError('x'), 1],
    ['a thrown value that is not an error', 'x', 1],
  ])('the exit status for %s is fixed', (_what, error, status) => {
    expect(exitStatusOf(error)).toBe(status)
  })

  test.each<[ErrorKind, number]>([
    ['invalidArgument', 3],
    ['unauthenticated', 3],
    ['permissionDenied', 3],
    ['notFound', 3],
    ['alreadyExists', 3],
    ['failedPrecondition', 3],
    ['resourceExhausted', 3],
    ['aborted', 5],
    ['unavailable', 5],
    ['deadlineExceeded', 5],
    ['internal', 1],
    ['unimplemented', 1],
  ])('the exit status for an answer of kind %s is %d', (kind, status) => {
    expect(exitStatusOf(new AppError(kind, 'x'))).toBe(status)
  })

  test('the exit status for a server that names a time to wait is that of a server that cannot be reached, since waiting helps', () => {
    expect(exitStatusOf(new AppError('resourceExhausted', 'x', { retryAfterMs: 1 }))).toBe(5)
  })

  test('the exit status is different for each outcome that a script may want to distinguish', () => {
    expect(EXIT).toEqual({ ok: 0, failed: 1, usage: 2, refused: 3, notTrusted: 4, unreachable: 5 })
  })
})

describe('an explanation', () => {
  test.each([
    'TOKEN_UNKNOWN',
    'TOKEN_EXPIRED',
    'TOKEN_REVOKED',
    'TOKEN_USED_UP',
    'SPENT_JUST_NOW',
    'ROLE_NOT_ALLOWED',
    'KEY_NOT_ALLOWED',
    'KEY_USED_BEFORE',
    'TOKEN_RESTRICTED',
    'TOKEN_WRONG_TYPE',
    'TOO_MANY_REFUSED',
    'BOT_LOCKED',
    'BOT_UNKNOWN',
    'CERTIFICATE_EXPIRED',
    'NO_IDENTITY',
  ] as const)('an explanation of %s names it and says what to do next, in one line', (reason) => {
    const text = explain(refusal(reason, 'what the server said'))
    expect(text).toMatch(new RegExp(`^what the server said \\(${reason}\\); .{10,}$`))
  })

  test('an explanation of a server that cannot be reached says where to look', () => {
    expect(explain(new AppError('unavailable', 'no answer'))).toMatch(/^no answer; .*--auth-server/)
    const cause = new Error('10.0.0.5:3025 did not accept a connection within 10 s')
    expect(explain(new AppError('unavailable', 'cannot be reached', { cause }))).toMatch(
      /^cannot be reached \(10.0.0.5:3025 did not accept a connection within 10 s\); .*--auth-server/,
    )
  })

  test('an explanation of a wrong pin, and of no other distrust, says where the right pin is', () => {
    expect(explain(new WrongPinError('does not match'))).toMatch(/^does not match; .*musterctl status/)
    expect(explain(new NotTrustedError('is token-service'))).toBe('is token-service')
  })

  test('an explanation of a wrong clock advises nothing about addresses and pins', () => {
    const text = 'the clock of this machine says 09:00; set the clock that is wrong'
    expect(explain(new AppError('unavailable', text, { cause: new ClockError(text) }))).toBe(text)
  })

  test('an explanation of any other error is its own text', () => {
    expect(explain(refusal('INVALID_FIELD', 'labels: too many'))).toBe('labels: too many (INVALID_FIELD)')
    expect(explain(new Error('disk full'))).toBe('disk full')
    expect(explain('odd')).toBe('odd')
  })
})
