import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { systemClock } from '@muster/runtime'
import { eventually, openNetwork, testCluster, type Trouble, TROUBLES } from '@muster/testkit'
import { memoryLog } from '@muster/testkit/log'
import { serveAuthority } from '../test/support/authority.ts'
import { enrollService } from './enrolment.ts'

const HOUR_MS = 3_600_000
const ATTEMPT_LIMIT_MS = 1_500

/** What a service logs of a trouble while it waits for ca-service. */
const SAID: Record<Trouble, RegExp> = {
  'silent after TCP': /did not complete the TLS handshake/,
  'silent after TLS': /did not begin HTTP\/2/,
  'silent after the request': /did not answer in time/,
  resets: /ECONNRESET|EPIPE|closed the connection|was closed|disconnected before/,
  refused: /ECONNREFUSED/,
  slow: /^$/,
}
const CLOCK = /the clock of this machine says/

/** How far the clock of the service is ahead of that of ca-service, in hours; its certificate is dated accordingly. */
describe.each([0, -48, 48])('a service whose clock is %d hours ahead of that of ca-service', (aheadHours) => {
  const cluster = testCluster()
  const stop = new AbortController()
  const outcomes = new Map<Trouble, { said: string; enrolled: boolean }>()
  let close = async () => {}

  const caService = (hours: number) => {
    const inHours = (count: number) => new Date(Date.now() + count * HOUR_MS)
    return cluster.member({
      kind: 'service',
      name: 'ca-service',
      notBefore: inHours(hours - 1),
      notAfter: inHours(hours + 23),
    })
  }
  /** A clock that is off ends a handshake, unless the trouble comes before it. */
  const expected = (trouble: Trouble) =>
    aheadHours !== 0 && !['silent after TCP', 'resets', 'refused'].includes(trouble) ? CLOCK : SAID[trouble]
  // The authority itself keeps the right time.
  const isSilent = (trouble: Trouble) => trouble === 'slow'

  beforeAll(async () => {
    const authority = await serveAuthority(cluster, systemClock)
    const networks = await Promise.all(
      TROUBLES.map(async (trouble) => {
        const network = await openNetwork(authority.server.address, () => caService(-aheadHours))
        await network.bring(trouble)
        const { log, lines } = memoryLog()
        const enrolling = enrollService({
          name: 'token-service',
          caAddresses: [network.address],
          caPins: [cluster.pin],
          enrollToken: 'CANARY-enrolment-token-of-many-characters',
          dnsNames: [],
          attemptLimitMs: ATTEMPT_LIMIT_MS,
          clock: systemClock,
          log,
          signal: stop.signal,
        })
        const said = () => JSON.stringify(lines)
        if (!isSilent(trouble)) await eventually(`${trouble}: waits`, () => said().includes('trying again'))
        const saidDuring = said()
        await network.bring(undefined)
        const { tls } = await enrolling
        outcomes.set(trouble, { said: saidDuring, enrolled: tls.current.own !== undefined })
        return network
      }),
    )
    close = async () => {
      stop.abort()
      await Promise.all(networks.map((network) => network.close()))
      await authority.server.close()
    }
  }, 120_000)
  afterAll(() => close())

  test.each(TROUBLES)('it waits for ca-service, says why, and enrols when the trouble is over: %s', (trouble) => {
    const { said, enrolled } = outcomes.get(trouble)!
    expect(said).toMatch(isSilent(trouble) ? /^\[/ : expected(trouble))
    expect(said).not.toMatch(/undefined|LB pick|CANARY/)
    expect(enrolled).toBe(true)
  })
})
