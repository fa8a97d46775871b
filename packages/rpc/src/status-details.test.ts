import type { ServiceError } from '@grpc/grpc-js'
import { describe, expect, test } from '@jest/globals'
import { errorDetails, rpcStatus } from '@muster/contracts'
import { AppError, receivedError, refusal } from '@muster/domain'
import { Metadata, status } from './grpc.ts'
import { decodeDetails, encodeDetails } from './status-details.ts'
import { fromStatus, toStatus } from './status.ts'

const { BadRequest, ErrorInfo, RetryInfo } = errorDetails

function detailsOf(error: AppError): rpcStatus.Status {
  return rpcStatus.Status.decode(encodeDetails(9, error)!)
}

function packed(type: string, value: Uint8Array): Buffer {
  const details = [{ typeUrl: `type.googleapis.com/google.rpc.${type}`, value: Buffer.from(value) }]
  return Buffer.from(rpcStatus.Status.encode({ code: 9, message: '', details }).finish())
}

/** A call that failed with these trailers. */
function failedWith(trailers: Record<string, string | Buffer>): ServiceError {
  const metadata = new Metadata()
  for (const [key, value] of Object.entries(trailers)) metadata.set(key, value)
  return Object.assign(new Error('wire'), { code: status.RESOURCE_EXHAUSTED, details: 'x', metadata })
}

describe('the details of an error', () => {
  test('the details of an error are a google.rpc.Status with ErrorInfo of the domain muster, BadRequest and RetryInfo', () => {
    const { code, message, details } = detailsOf(
      refusal('TOO_MANY_REFUSED', 'slow down', { field: 'token', retryAfterMs: 12_345.2 }),
    )
    expect({ code, message }).toEqual({ code: 9, message: 'slow down' })
    expect(details.map(({ typeUrl }) => typeUrl)).toEqual([
      'type.googleapis.com/google.rpc.ErrorInfo',
      'type.googleapis.com/google.rpc.BadRequest',
      'type.googleapis.com/google.rpc.RetryInfo',
    ])
    const [info, request, retry] = details.map(({ value }) => value)
    expect(ErrorInfo.decode(info!)).toMatchObject({ reason: 'TOO_MANY_REFUSED', domain: 'muster', metadata: {} })
    expect(BadRequest.decode(request!).fieldViolations).toMatchObject([{ field: 'token', description: 'slow down' }])
    expect(RetryInfo.decode(retry!).retryDelay).toEqual({ seconds: 12n, nanos: 346_000_000 })
  })

  test('the details of an error are absent if its code and message say everything', () => {
    expect(encodeDetails(5, new AppError('notFound', 'gone'))).toBeUndefined()
    expect(toStatus(new AppError('notFound', 'gone')).metadata.getMap()).toEqual({})
  })

  test('the details of an unforeseen error are absent', () => {
    expect(toStatus(new Error('CANARY')).metadata.getMap()).toEqual({})
  })

  test('the details of an error keep a reason that only a newer server has', () => {
    const wire = failedWith({
      'grpc-status-details-bin': encodeDetails(8, receivedError('aborted', '', { reason: 'FROM_THE_FUTURE' }))!,
    })
    expect(fromStatus(wire).reason).toBe('FROM_THE_FUTURE')
  })
})

describe('details from a peer', () => {
  test.each([
    [
      'of another domain',
      packed('ErrorInfo', ErrorInfo.encode({ reason: 'STOCKOUT', domain: 'example.com', metadata: {} }).finish()),
    ],
    [
      'whose reason is not a word in capitals',
      packed('ErrorInfo', ErrorInfo.encode({ reason: '\u001b[31mX', domain: 'muster', metadata: {} }).finish()),
    ],
    ['of a type that is not known', packed('Help', Buffer.from([1, 2, 3]))],
    ['without a field', packed('BadRequest', BadRequest.encode({ fieldViolations: [] }).finish())],
    [
      'with a delay below zero',
      packed('RetryInfo', RetryInfo.encode({ retryDelay: { seconds: -1n, nanos: 0 } }).finish()),
    ],
    ['without a delay', packed('RetryInfo', RetryInfo.encode({ retryDelay: undefined }).finish())],
    ['that are cut off', packed('ErrorInfo', Buffer.from([0x0a, 0x7f])).subarray(0, 10)],
    ['that are no protobuf', Buffer.from('CANARY')],
    ['that are text', 'CANARY'],
    ['that are absent', undefined],
  ])('details from a peer %s are left out', (_what, bytes) => {
    expect(decodeDetails(bytes)).toEqual({})
  })

  test('details from a peer have precedence over the keys of the release before', () => {
    const bytes = encodeDetails(8, refusal('TOKEN_EXPIRED', '', { field: 'new', retryAfterMs: 1 }))!
    const old = { 'muster-reason': 'OLD', 'muster-field': 'old', 'muster-retry-after-ms': '9' }
    expect(fromStatus(failedWith({ ...old, 'grpc-status-details-bin': bytes }))).toMatchObject({
      reason: 'TOKEN_EXPIRED',
      field: 'new',
      retryAfterMs: 1,
    })
  })
})

describe('a peer of the release before', () => {
  test('a peer of the release before gets reason, field and delay under its own keys', () => {
    const error = refusal('TOO_MANY_REFUSED', 'x', { field: 'token', retryAfterMs: 0.2 })
    expect(toStatus(error).metadata.getMap()).toMatchObject({
      'muster-reason': 'TOO_MANY_REFUSED',
      'muster-field': 'token',
      'muster-retry-after-ms': '1',
    })
  })

  test('a peer of the release before is understood by its own keys', () => {
    const wire = failedWith({ 'muster-reason': 'BOT_LOCKED', 'muster-field': 'f', 'muster-retry-after-ms': '12000' })
    expect(fromStatus(wire)).toMatchObject({ reason: 'BOT_LOCKED', field: 'f', retryAfterMs: 12_000 })
  })

  test.each(['', 'soon', '-1', '1.5', '1e9', 'Infinity'])(
    'a peer of the release before that says to wait %j is read as if it had not',
    (text) => {
      expect(fromStatus(failedWith({ 'muster-retry-after-ms': text })).retryAfterMs).toBeUndefined()
    },
  )
})
