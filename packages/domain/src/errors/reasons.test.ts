import { describe, expect, test } from '@jest/globals'
import { AppError, isTransient, receivedError, refusal } from './errors.ts'
import { nextStep, type Reason, reasonInfo, REASONS } from './reasons.ts'
import type { ReasonInfo } from './reason-info.ts'

const rows = Object.entries(REASONS) as [Reason, ReasonInfo][]

describe('the table of reasons', () => {
  test.each(rows)('the reason %s is described in one sentence', (reason, { meaning }) => {
    expect(reason).toMatch(/^[A-Z][A-Z_]+$/)
    expect(meaning).toMatch(/^[A-Z].*\.$/)
  })

  test.each(rows)('the reason %s advises in clauses that fit behind a semicolon', (_reason, { next }) => {
    for (const clause of typeof next === 'string' ? [next] : Object.values(next))
      expect(clause).toMatch(/^[a-z'].*[^.]$/)
  })

  test.each(rows)(
    'the reason %s promises that a retry helps only if its kind is transient',
    (_reason, { kind, retry }) => {
      const canPass = isTransient(new AppError(kind, '')) || kind === 'resourceExhausted'
      expect(retry === 'never' || canPass).toBe(true)
    },
  )

  test('the table of reasons has no reason for a name that every object has', () => {
    expect(reasonInfo('constructor')).toBeUndefined()
    expect(reasonInfo(undefined)).toBeUndefined()
  })
})

describe('a refusal', () => {
  test('a refusal takes its kind from the table', () => {
    const error = refusal('TOO_MANY_REFUSED', 'wait', { retryAfterMs: 5, field: 'token' })
    expect(error).toMatchObject({
      kind: 'resourceExhausted',
      reason: 'TOO_MANY_REFUSED',
      retryAfterMs: 5,
      field: 'token',
    })
  })

  test('a refusal of a newer server keeps a reason that this program does not know', () => {
    expect(receivedError('notFound', 'gone', { reason: 'FROM_THE_FUTURE' })).toMatchObject({
      kind: 'notFound',
      reason: 'FROM_THE_FUTURE',
    })
  })
})

describe('the next step', () => {
  test('the next step differs per program', () => {
    expect(nextStep('TOKEN_EXPIRED', 'muster')).toContain('musterctl tokens add')
    expect(nextStep('TOKEN_EXPIRED', 'musterctl login')).toContain('musterctl users reset USER')
  })

  test('the next step names the person where the program knows the name', () => {
    expect(nextStep('SESSION_ENDED', 'musterctl', { USER: 'ada' })).toBe("ask an admin for 'musterctl users reset ada'")
  })

  test('the next step is absent for a reason without advice, an unknown reason, and no reason', () => {
    for (const reason of ['INVALID_FIELD', 'FROM_THE_FUTURE', undefined]) {
      expect(nextStep(reason, 'muster')).toBeUndefined()
    }
  })
})
