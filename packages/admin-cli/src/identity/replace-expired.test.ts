import { X509Certificate } from 'node:crypto'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { users } from '@muster/contracts'
import { AppError, refusal } from '@muster/domain'
import { parseCsr, parseIdentity, privateKeyFromPem, publicKeyDer } from '@muster/pki'
import { memberOf, type Peer } from '@muster/rpc'
import { eventually, testCluster } from '@muster/testkit'
import type { OperatorProfile } from '@muster/identity'
import { startTestCluster, type TestCluster } from '../../test/support/cluster.ts'
import { aNode } from '../../test/support/data.ts'
import { HOUR_MS, startPeople, type TestPeople } from '../../test/support/people.ts'

let cluster: TestCluster
let people: TestPeople
let returns: { request: users.SignupRequest; peer: Peer }[]

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())
beforeEach(async () => {
  people = await startPeople(cluster)
  returns = []
  cluster.answers.tokens = { listTokens: async () => ({ tokens: [], nextPageToken: '' }) }
  const { signup } = people.answers
  people.answers.signup = (request, context) => {
    if (request.token === '') returns.push({ request, peer: context.peer })
    return signup!(request, context)
  }
})
afterEach(() => people.close())

const LS = ['tokens', 'ls', '--format=json']
const DONE = { status: 0, stdout: '[]\n', stderr: '' }
const file = (name: string) => path.join(people.home, '.muster', 'clusters', 'muster.internal', name)
const certificate = async () => new X509Certificate(await readFile(file('chain.pem')))

/** Logs in with a certificate that ends at this time, by default two hours ago. */
async function asleep(inMs = -2 * HOUR_MS): Promise<void> {
  await people.login()
  await people.endCertificate(new Date(Date.now() + inMs))
}

async function changeProfile(change: (profile: OperatorProfile) => void): Promise<void> {
  const profile = JSON.parse(await readFile(file('profile.json'), 'utf8')) as OperatorProfile
  change(profile)
  await writeFile(file('profile.json'), JSON.stringify(profile))
}

describe('an expired certificate in a session', () => {
  test('a person with an expired certificate can run any command, which first gets and stores a certificate for the same key', async () => {
    await asleep()
    const key = await readFile(file('key.pem'), 'utf8')
    people.hand.addresses = { ...people.hand.addresses, caService: ':4711' }
    expect(await people.run(LS)).toEqual(DONE)
    expect(Date.parse((await certificate()).validTo)).toBeGreaterThan(Date.now())
    expect(await readFile(file('key.pem'), 'utf8')).toBe(key)
    expect(JSON.parse(await readFile(file('profile.json'), 'utf8'))).toMatchObject({
      user: 'ada',
      addresses: { ca: '127.0.0.1:4711' },
    })

    expect(await people.run(LS)).toEqual(DONE)
    expect(returns).toHaveLength(1)
    expect(people.renewals).toBe(0)
  })

  test('the request for a new certificate has only the name and proof of the key: no token, and no certificate on the connection', async () => {
    await asleep()
    await people.run(LS)
    const { request, peer } = returns[0]!
    expect(request).toMatchObject({ token: '', userName: 'ada' })
    const own = publicKeyDer(privateKeyFromPem(await readFile(file('key.pem'), 'utf8')))
    expect(parseCsr(request.csrDer).publicKeyDer).toEqual(own)
    // The request carries the expired certificate, as proof that the cluster once made it.
    expect(parseIdentity(request.formerChainDer[0]!)).toMatchObject({ publicKeyDer: own })
    expect(request.formerChainDer).toHaveLength(2)
    expect(peer.kind).toBe('anonymous')
  })

  test('a person gets a new certificate a few seconds before the old one expires too, and not earlier', async () => {
    await asleep(3_000)
    expect(await people.run(LS)).toEqual(DONE)
    expect(returns).toHaveLength(1)
    await people.endCertificate(new Date(Date.now() + HOUR_MS))
    expect(await people.run(LS)).toEqual(DONE)
    expect({ returns: returns.length, renewals: people.renewals }).toEqual({ returns: 1, renewals: 1 })
  })

  test('a person with an expired certificate can run 64 commands at once: each succeeds, and the identity stays complete', async () => {
    await asleep()
    const before = await readdir(file('.'))
    const programs = await Promise.all(Array.from({ length: 64 }, () => people.run(LS)))
    for (const ran of programs) expect(ran).toEqual(DONE)
    expect(returns.length).toBeGreaterThan(1)
    expect(await readdir(file('.'))).toEqual(before)
    const again = returns.length
    expect(await people.run(LS)).toEqual(DONE)
    expect(returns).toHaveLength(again)
  })

  test('a person with an expired certificate sees the new certificate in the output of status and whoami', async () => {
    await asleep()
    cluster.answers.ca = {
      listAuthorities: async (_request, { peer }) => {
        expect(memberOf(peer).name).toBe('ada')
        return { clusterName: 'muster.internal', version: '1', authorities: [] }
      },
    }
    const { operator } = JSON.parse((await people.run(['status', '--format=json'])).stdout) as {
      operator: { expires_at: string }
    }
    expect(Date.parse(operator.expires_at)).toBeGreaterThan(Date.now())
  })

  test('a person with an expired certificate gets a warning when the certificate cannot be stored, and the command succeeds', async () => {
    await asleep()
    const { signup } = people.answers
    people.answers.signup = async (request, context) => {
      await rm(path.join(people.home, '.muster', 'identities'), { recursive: true })
      return signup!(request, context)
    }
    const { status, stdout, stderr } = await people.run(LS)
    expect(stderr).toMatch(
      /^musterctl: warning: the new certificate could not be stored: cannot write .*bundle.pem: the folder .* is not there\n$/,
    )
    expect({ status, stdout }).toEqual({ status: 0, stdout: '[]\n' })
  })
})

describe('a person who gets no new certificate', () => {
  const gone =
    "you are no longer a user of this cluster, or you signed up again elsewhere; ask an admin for 'musterctl users reset ada'"
  const folder = () => path.dirname(file('x'))

  /** Fails the test if a service is called with an expired certificate. */
  const nobodyElseIsAsked = () => {
    cluster.answers.tokens = {}
  }

  test('a person who was removed is told so once, with whom to ask, and keeps the files', async () => {
    await asleep()
    nobodyElseIsAsked()
    const before = await certificate()
    people.answers.signup = async () => {
      throw refusal('USER_UNKNOWN', gone)
    }
    expect(await people.run(LS)).toEqual({
      status: 1,
      stdout: '',
      stderr: `musterctl: the certificate in ${folder()} has expired, and registration-service refused another: ${gone}\n`,
    })
    expect((await certificate()).serialNumber).toBe(before.serialNumber)
  })

  test('a person who is refused for another reason is told whom to ask', async () => {
    await asleep()
    people.answers.signup = async () => {
      throw refusal('TOKEN_EXPIRED', 'not you')
    }
    const { stderr } = await people.run(LS)
    expect(stderr).toContain('refused another: not you\n')
    expect(stderr).toContain(
      "Ask an admin for 'musterctl users reset ada', then run the login command that it prints.\n",
    )
  })

  test('a person sees the error of the command while the service is down', async () => {
    await asleep()
    nobodyElseIsAsked()
    await changeProfile(({ addresses }) => (addresses.registration = '127.0.0.1:1'))
    expect(await people.run(LS)).toEqual({
      status: 1,
      stdout: '',
      stderr:
        'musterctl: cannot reach registration-service at 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1\n' +
        `Is the cluster running? 'npm start' starts a local one. The address comes from ${folder()}/profile.json.\n`,
    })
  })

  test.each([
    { error: new AppError('internal', 'internal error'), next: 'The log of registration-service says why.' },
    {
      error: new AppError('resourceExhausted', 'too many refused attempts', { retryAfterMs: 11_400 }),
      next: 'Try again in 12s.',
    },
  ])('a person who cannot get a certificate at present is told what to do: $error.kind', async ({ error, next }) => {
    await asleep()
    people.answers.signup = async () => {
      throw error
    }
    const { status, stderr } = await people.run(LS)
    expect(stderr).toContain(next)
    expect(stderr).not.toContain('reset')
    expect(status).toBe(1)
  })

  test('an expired identity sends nothing to a server of another cluster, nor to another service of this one', async () => {
    await asleep()
    await changeProfile(({ addresses }) => (addresses.registration = addresses.token))
    expect((await people.run(LS)).stderr).toMatch(
      /could not be verified.*that is token-service; nodes, bots and people join registration-service, usually port 3025/,
    )
    await changeProfile((profile) => {
      profile.addresses.registration = cluster.addresses.registration
      profile.clusterName = 'other.internal'
    })
    expect((await people.run(LS)).stderr).toContain('could not be verified, so nothing was sent to it')
    await changeProfile((profile) => (profile.clusterName = 'muster.internal'))
    await writeFile(file('bundle.pem'), testCluster('muster.internal').hostRootsPem)
    expect((await people.run(LS)).stderr).toContain('could not be verified, so nothing was sent to it')
    expect(returns).toEqual([])
  })

  test.each(['eve', 'ada'])('a new certificate for another key, in the name of %s, is rejected', async (name) => {
    await asleep()
    const before = await certificate()
    const { signup } = people.answers
    people.answers.signup = async (request, context) => {
      const answer = await signup!(request, context)
      const other = cluster.pki.member({ kind: 'user', name, roles: ['admin'] })
      return { ...answer, certificate: { chainDer: [...other.chainDer], serial: other.serial, expiresAt: undefined } }
    }
    const { status, stderr } = await people.run(LS)
    expect(stderr).toContain('registration-service answered with a certificate that is not ours; nothing was stored')
    expect(status).toBe(1)
    expect((await certificate()).serialNumber).toBe(before.serialNumber)
  })

  test('a person whose session is over is told so before anything is sent', async () => {
    people.hand.sessionExpiresAt = new Date(Date.now() + 2 * HOUR_MS)
    await people.login()
    const now = () => new Date(Date.now() + 5 * HOUR_MS)
    const { status, stderr } = await people.run(LS, { now })
    expect(stderr).toMatch(/^musterctl: the session of ada in .* expired (3h|2h59m) ago \(.* UTC\)\n/)
    expect(stderr).toContain(
      "Ask an admin for 'musterctl users reset ada', then run the login command that it prints.\n",
    )
    expect(status).toBe(1)
    expect(returns).toEqual([])
  })

  test('a person whose clock is far ahead gets a certificate by the clock of the cluster, and is told of the clock', async () => {
    await people.login()
    const now = () => new Date(Date.now() + 14 * HOUR_MS)
    const { status, stderr } = await people.run(LS, { now })
    expect(stderr).toMatch(/^musterctl: warning: the clock of this machine says .*; set the clock that is wrong\n$/)
    expect(status).toBe(0)
    expect(returns).toHaveLength(1)
  })
})

test('nodes watch continues on a machine that slept past the end of the certificate', async () => {
  people.hand.livesMs = 2_000
  const stop = new AbortController()
  const ends: number[] = []
  people.answers.renewUser = async () => {
    throw new AppError('failedPrecondition', 'is not renewed in time')
  }
  cluster.answers.registration = {
    ...cluster.answers.registration,
    async *watchNodes(_request, { peer, signal }) {
      const end = memberOf(peer).notAfter.getTime()
      ends.push(end)
      const node = { event: { $case: 'node' as const, value: aNode } }
      yield node
      await eventually('the end', () => signal.aborted || Date.now() > end)
      // The service refuses it, since the certificate of the stream has expired.
      yield node
    },
  }
  await people.login()
  const watching = people.run(['nodes', 'watch', '--format=json'], { signal: stop.signal })
  await eventually('the watch goes on with another certificate', () => ends.length >= 2)
  stop.abort()
  expect(await watching).toMatchObject({ status: 0, stderr: '' })
  expect(ends[1]).toBeGreaterThan(ends[0]!)
})

test('nodes watch reports that the person was removed while the machine slept', async () => {
  people.hand.livesMs = 2_000
  await people.login()
  const refuse = async () => {
    throw refusal('USER_UNKNOWN', 'you are no longer a user of this cluster')
  }
  cluster.answers.registration = {
    ...cluster.answers.registration,
    async *watchNodes(_request, { peer, signal }) {
      people.answers.signup = refuse
      people.answers.renewUser = refuse
      const node = { event: { $case: 'node' as const, value: aNode } }
      yield node
      await eventually('the end', () => signal.aborted || Date.now() > memberOf(peer).notAfter.getTime())
      yield node
    },
  }
  const { status, stderr } = await people.run(['nodes', 'watch', '--format=json'])
  expect(stderr).toContain('has expired, and registration-service refused another: you are no longer a user')
  expect(status).toBe(1)
})
