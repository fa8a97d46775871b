import { describe, expect, test } from '@jest/globals'
import { ClockError, type Reason, refusal } from '@muster/domain'
import { withClocks } from './clock-dispute.ts'

const now = new Date('2026-11-28T09:00:00Z')
const inHours = (hours: number) => new Date(now.getTime() + hours * 3_600_000)

describe('the refusal of a certificate', () => {
  test.each<[string, Reason, Date | undefined, boolean]>([
    ['while the clocks agree', 'NO_IDENTITY', inHours(0), true],
    ['while the clocks agree', 'CERTIFICATE_EXPIRED', inHours(0.05), true],
    ['by a server that is ahead', 'NO_IDENTITY', inHours(48), false],
    ['by a server that is behind', 'NO_IDENTITY', inHours(-48), false],
    ['by a server that is ahead', 'CERTIFICATE_EXPIRED', inHours(0.5), false],
    ['at the end of an open stream', 'CERTIFICATE_EXPIRED', undefined, false],
    ['by a server that tells no time', 'NO_IDENTITY', undefined, true],
    ['for another reason, by a server that is ahead', 'NODE_UNKNOWN', inHours(48), true],
  ])('the refusal of a certificate %s is final or passes: %s', (_how, reason, answeredAt, isFinal) => {
    const refused = refusal(reason, 'refused', answeredAt && { answeredAt })
    const error = withClocks(refused, { now, expiresAt: inHours(12) })
    expect(error === refused).toBe(isFinal)
    expect((error as Error).cause instanceof ClockError).toBe(!isFinal)
  })

  test('the refusal of a certificate that has expired here too is final at the end of an open stream', () => {
    const refused = refusal('CERTIFICATE_EXPIRED', 'expired')
    expect(withClocks(refused, { now, expiresAt: inHours(-1) })).toBe(refused)
  })

  test('the refusal of a certificate that passes names both clocks', () => {
    const refused = refusal('NO_IDENTITY', 'no certificate that is valid now', { answeredAt: inHours(48) })
    expect((withClocks(refused, { now, expiresAt: inHours(12) }) as Error).message).toBe(
      'the server refused the certificate: no certificate that is valid now (NO_IDENTITY); the clock of this machine says ' +
        '2026-11-28 09:00:00 UTC, the clock of the server 2026-11-30 09:00:00 UTC; set the clock that is wrong',
    )
  })
})
