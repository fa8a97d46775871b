import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { cp, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { OperatorProfile } from '@muster/identity'
import { openNetwork, type Trouble, TROUBLES } from '@muster/testkit'
import { type Ran, runCli, startTestCluster, type TestCluster } from '../../test/support/cluster.ts'

const HOUR_MS = 3_600_000

/** What musterctl says of a trouble on the way to a service. */
const SAID: Record<Trouble, RegExp> = {
  'silent after TCP': /cannot reach token-service at .* did not complete the TLS handshake/,
  'silent after TLS': /cannot reach token-service at .* did not begin HTTP\/2/,
  'silent after the request': /token-service at .* did not answer in time/,
  resets: /cannot reach token-service at .*(?:ECONNRESET|EPIPE|closed the connection|was closed|disconnected before)/,
  refused: /cannot reach token-service at .* ECONNREFUSED/,
  slow: /^$/,
}
const CLOCK = /could not be verified, so nothing was sent to it: the clock of this machine says .* UTC/

let cluster: TestCluster
const outcomes = new Map<string, Ran & { files: string }>()

/** Runs a command against a service that has this trouble, and a certificate that was issued this many hours from now. */
async function run(trouble: Trouble, hours: number): Promise<void> {
  const inHours = (count: number) => new Date(Date.now() + count * HOUR_MS)
  const network = await openNetwork(cluster.addresses.token, () =>
    cluster.pki.member({
      kind: 'service',
      name: 'token-service',
      notBefore: inHours(hours - 1),
      notAfter: inHours(hours + 23),
    }),
  )
  await network.bring(trouble)
  const identity = path.join(cluster.dir, `${trouble} ${hours}`)
  await cp(cluster.operatorDir, identity, { recursive: true })
  const file = path.join(identity, 'profile.json')
  const profile = JSON.parse(await readFile(file, 'utf8')) as OperatorProfile
  await writeFile(file, JSON.stringify({ ...profile, addresses: { ...profile.addresses, token: network.address } }))
  const ran = await runCli(['tokens', 'ls', '--format=json', '--identity', identity], { cwd: cluster.dir })
  const read = (name: string) => readFile(path.join(identity, name), 'utf8')
  outcomes.set(`${trouble} ${hours}`, { ...ran, files: (await read('key.pem')) + (await read('chain.pem')) })
  await network.close()
}

const TABLE = TROUBLES.flatMap((trouble) =>
  // The service itself has the right time, so it is not slow and wrong at once.
  [0, -48, 48].filter((hours) => hours === 0 || trouble !== 'slow').map((hours) => [trouble, hours] as const),
)

beforeAll(async () => {
  cluster = await startTestCluster()
  cluster.answers.tokens = { listTokens: async () => ({ tokens: [], nextPageToken: '' }) }
  await Promise.all(TABLE.map(([trouble, hours]) => run(trouble, hours)))
}, 120_000)
afterAll(() => cluster.close())

describe('a command of musterctl', () => {
  const isOff = (trouble: Trouble, hours: number) =>
    hours !== 0 && !['silent after TCP', 'resets', 'refused'].includes(trouble)

  test.each(TABLE)(
    'a command says what happened and ends: %s, with a clock that is off by %d h',
    async (trouble, hours) => {
      const { status, stdout, stderr, files } = outcomes.get(`${trouble} ${hours}`)!
      expect(stderr).toMatch(isOff(trouble, hours) ? CLOCK : SAID[trouble])
      expect(stderr).not.toMatch(/undefined|LB pick|\n\s+at /)
      expect([status, stdout]).toEqual(trouble === 'slow' ? [0, '[]\n'] : [1, ''])
      const read = (name: string) => readFile(path.join(cluster.operatorDir, name), 'utf8')
      expect(files).toBe((await read('key.pem')) + (await read('chain.pem')))
    },
  )
})
