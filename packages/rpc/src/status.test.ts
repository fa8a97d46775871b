import type { ServiceError } from '@grpc/grpc-js'
import { describe, expect, test } from '@jest/globals'
import { AppError, type ErrorKind, receivedError } from '@muster/domain'
import { Metadata, status } from './grpc.ts'
import { fromStatus, statusName, toStatus } from './status.ts'

function onTheWire(error: unknown): ServiceError {
  return Object.assign(new Error('wire'), toStatus(error))
}

describe('an error', () => {
  test.each<[ErrorKind, status]>([
    ['invalidArgument', status.INVALID_ARGUMENT],
    ['unauthenticated', status.UNAUTHENTICATED],
    ['permissionDenied', status.PERMISSION_DENIED],
    ['notFound', status.NOT_FOUND],
    ['alreadyExists', status.ALREADY_EXISTS],
    ['failedPrecondition', status.FAILED_PRECONDITION],
    ['aborted', status.ABORTED],
    ['resourceExhausted', status.RESOURCE_EXHAUSTED],
    ['unavailable', status.UNAVAILABLE],
    ['deadlineExceeded', status.DEADLINE_EXCEEDED],
    ['unimplemented', status.UNIMPLEMENTED],
    ['internal', status.INTERNAL],
  ])('an error of kind %s is status %d on the wire and reads as the same error', (kind, code) => {
    const wire = onTheWire(receivedError(kind, 'what happened', { reason: 'INVALID_FIELD', field: 'a.field' }))
    expect(wire.code).toBe(code)
    expect(fromStatus(wire)).toMatchObject({
      kind,
      message: 'what happened',
      reason: 'INVALID_FIELD',
      field: 'a.field',
    })
  })

  test.each([
    [0, 0],
    [12_000, 12_000],
    // A wait is never cut short.
    [0.2, 1],
  ])('an error that says to wait %d ms keeps the delay on the wire', (retryAfterMs, read) => {
    expect(fromStatus(onTheWire(new AppError('resourceExhausted', 'x', { retryAfterMs }))).retryAfterMs).toBe(read)
  })

  test('an error without reason, field and delay reads without them', () => {
    const read = fromStatus(onTheWire(new AppError('notFound', 'x')))
    expect(read.retryAfterMs).toBeUndefined()
    expect(read.reason).toBeUndefined()
    expect(read.field).toBeUndefined()
  })

  test('an error that is not an AppError stays opaque, and so does the cause of an AppError', () => {
    for (const error of [new Error('CANARY'), 'CANARY', { message: 'CANARY', code: 5, details: 'CANARY' }]) {
      expect(toStatus(error)).toMatchObject({ code: status.INTERNAL, details: 'internal error' })
      expect(JSON.stringify(toStatus(error))).not.toContain('CANARY')
    }
    const caused = new AppError('unavailable', 'later', { cause: new Error('CANARY') })
    expect(JSON.stringify(toStatus(caused))).not.toContain('CANARY')
  })
})

describe('a status', () => {
  test('a status that the system does not use reads as internal', () => {
    for (const code of [status.UNKNOWN, status.OUT_OF_RANGE, status.DATA_LOSS]) {
      expect(fromStatus(Object.assign(new Error('x'), { code, details: 'x', metadata: new Metadata() })).kind).toBe(
        'internal',
      )
    }
  })

  test('a status of a cancelled call reads as a lost connection', () => {
    const error = Object.assign(new Error('x'), { code: status.CANCELLED, details: '', metadata: new Metadata() })
    expect(fromStatus(error).kind).toBe('unavailable')
  })

  test('a status has a name', () => {
    expect(statusName(status.OK)).toBe('OK')
    expect(statusName(status.FAILED_PRECONDITION)).toBe('FAILED_PRECONDITION')
    expect(statusName(99)).toBe('99')
  })
})
