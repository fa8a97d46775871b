import { describe, expect, test } from '@jest/globals'
import { AppError, invalid, isServerFault, isTransient, messageOf, refusal } from './errors.ts'
import type { ErrorKind } from './kinds.ts'

describe('an error', () => {
  test('an error keeps its kind, reason, field and cause', () => {
    const cause = new Error('deep down')
    const error = refusal('NODE_NOT_FOUND', 'no such thing', { field: 'id', cause })
    expect(error).toMatchObject({ name: 'AppError', kind: 'notFound', reason: 'NODE_NOT_FOUND', field: 'id', cause })
    expect(error.message).toBe('no such thing')
  })

  test('an error may carry a delay, which does not make it transient', () => {
    const error = new AppError('resourceExhausted', 'too many', { retryAfterMs: 12_000 })
    expect(error.retryAfterMs).toBe(12_000)
    expect(isTransient(error)).toBe(false)
    expect(new AppError('resourceExhausted', 'too many').retryAfterMs).toBeUndefined()
  })

  test("an error about a field starts with the field's name", () => {
    expect(invalid('roles', 'is needed').message).toBe('roles: is needed')
  })

  test.each<[ErrorKind, boolean]>([
    ['unavailable', true],
    ['deadlineExceeded', true],
    ['aborted', true],
    ['invalidArgument', false],
    ['unauthenticated', false],
    ['permissionDenied', false],
    ['notFound', false],
    ['alreadyExists', false],
    ['failedPrecondition', false],
    ['resourceExhausted', false],
    ['internal', false],
  ])('an error of kind %s is transient: %s', (kind, transient) => {
    expect(isTransient(new AppError(kind, ''))).toBe(transient)
  })

  test('an error of no kind is not transient', () => {
    expect(isTransient(new Error('unavailable'))).toBe(false)
    expect(isTransient({ kind: 'unavailable' })).toBe(false)
    expect(isTransient(undefined)).toBe(false)
  })

  test('an error has a text, whatever value was thrown', () => {
    expect(messageOf(new Error('x'))).toBe('x')
    expect(messageOf('y')).toBe('y')
    expect(messageOf(undefined)).toBe('undefined')
  })
})

describe('a fault of a server', () => {
  test.each<[ErrorKind, boolean]>([
    ['internal', true],
    // A server of an older version, say in the middle of an upgrade.
    ['unimplemented', true],
    ['unavailable', false],
    ['permissionDenied', false],
    ['notFound', false],
    ['resourceExhausted', false],
  ])('an error of kind %s is a fault of a server: %s', (kind, isFault) => {
    expect(isServerFault(new AppError(kind, ''))).toBe(isFault)
  })

  test('an error that is not an AppError is not a fault of a server', () => {
    expect(isServerFault(new Error('internal'))).toBe(false)
  })
})
