import { describe, expect, test } from '@jest/globals'
import { AppError, type ErrorKind } from '@muster/domain'
import { isRefused, mayPass } from './retry-policy.ts'

const error = (kind: ErrorKind, retryAfterMs?: number) =>
  new AppError(kind, 'failed', retryAfterMs === undefined ? {} : { retryAfterMs })

describe('a failed request', () => {
  test.each<ErrorKind>(['unavailable', 'deadlineExceeded', 'aborted'])(
    'a failed request is transient after %s',
    (kind) => {
      expect(mayPass(error(kind))).toBe(true)
    },
  )

  test('a failed request is transient after a limit that names the time to wait', () => {
    expect(mayPass(error('resourceExhausted', 1_000))).toBe(true)
  })

  test.each<ErrorKind>(['internal', 'resourceExhausted', 'permissionDenied', 'failedPrecondition', 'unauthenticated'])(
    'a failed request is not transient after %s',
    (kind) => {
      expect(mayPass(error(kind))).toBe(false)
    },
  )

  test('a failed request without an answer from a server is not transient', () => {
    expect(mayPass(new Error('disk full'))).toBe(false)
  })
})

describe('a failed renewal', () => {
  test.each<ErrorKind>(['permissionDenied', 'failedPrecondition', 'unauthenticated', 'notFound', 'invalidArgument'])(
    'a failed renewal is final after %s',
    (kind) => {
      expect(isRefused(error(kind))).toBe(true)
    },
  )

  test.each<ErrorKind>([
    'unavailable',
    'deadlineExceeded',
    'aborted',
    'internal',
    'unimplemented',
    'resourceExhausted',
  ])('a failed renewal is repeated after %s', (kind) => {
    expect(isRefused(error(kind))).toBe(false)
  })

  test('a failed renewal is repeated after a fault of this machine', () => {
    expect(isRefused(new Error('disk full'))).toBe(false)
  })
})
