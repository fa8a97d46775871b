import type { ServiceError } from '@grpc/grpc-js'
import { describe, expect, test } from '@jest/globals'
import { ClockError } from '@muster/domain'
import { Metadata, status } from '../grpc.ts'
import type { RotatingChannelCredentials } from './channel-credentials.ts'
import { explainFailure, isClockFailure } from './explain-failure.ts'

function explain(code: status, details: string, known: Partial<RotatingChannelCredentials> = {}) {
  const error: ServiceError = Object.assign(new Error(details), { code, details, metadata: new Metadata() })
  return explainFailure(error, { service: 'ca-service', ...known } as RotatingChannelCredentials)
}

describe('the failure of a call on this side', () => {
  test.each([
    ['round_robin: No connection established. Last error: undefined', 'the connection was lost'],
    ['No connection established. Last error: null. Resolution note: ', 'the connection was lost'],
    [
      'round_robin: No connection established. Last error: Error: connect ECONNREFUSED 10.0.0.5:1',
      'connect ECONNREFUSED 10.0.0.5:1',
    ],
    ['No connection established. Last error: NoAnswerError: 10.0.0.5:1 did not accept', '10.0.0.5:1 did not accept'],
    ['Connection dropped', 'Connection dropped'],
  ])('the failure of a call is explained without the words of grpc-js: %s', (details, detail) => {
    const error = explain(status.UNAVAILABLE, details)
    expect([error.kind, error.message]).toEqual(['unavailable', 'ca-service cannot be reached; try again'])
    expect((error.cause as Error).message).toBe(detail)
  })

  test.each([
    [
      'Deadline exceeded after 10.001s,Waiting for LB pick',
      '10.0.0.5:1 did not accept',
      '10.0.0.5:1 did not accept in time',
    ],
    [
      'Deadline exceeded after 10.001s,waiting for name resolution',
      undefined,
      'its name could not be resolved in time',
    ],
  ])('a call that ends before it has a connection says what it waited for: %s', (details, waitsFor, detail) => {
    const error = explain(status.DEADLINE_EXCEEDED, details, { waitsFor })
    expect(error.kind).toBe('unavailable')
    expect((error.cause as Error).message).toBe(detail)
  })

  test('a call that gets no answer over a connection that stands is not about the connection', () => {
    const details = 'Deadline exceeded after 10.001s,LB pick: 0.001s,remote_addr=10.0.0.5:1'
    expect(explain(status.DEADLINE_EXCEEDED, details)).toMatchObject({
      kind: 'deadlineExceeded',
      message: 'ca-service did not answer in time',
    })
  })

  test('an answer of the server is not mistaken for the clock that an earlier attempt met', () => {
    const clockError = new ClockError('the clock of this machine says 09:00')
    const answered = explain(status.UNAVAILABLE, 'the database is not reachable', { clockError })
    expect([isClockFailure(answered), answered.message]).toEqual([false, 'the database is not reachable'])
    expect(
      isClockFailure(explain(status.UNAVAILABLE, 'No connection established. Last error: Error: x', { clockError })),
    ).toBe(true)
  })
})
