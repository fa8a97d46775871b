import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { AppError, refusal } from '@muster/domain'
import { memberOf } from '@muster/rpc'
import { eventually } from '@muster/testkit'
import { startTestCluster, type TestCluster } from '../../test/support/cluster.ts'
import { aNode } from '../../test/support/data.ts'
import { HOUR_MS, startPeople, type TestPeople } from '../../test/support/people.ts'

let cluster: TestCluster
let people: TestPeople

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())
beforeEach(async () => {
  people = await startPeople(cluster)
  cluster.answers.tokens = { listTokens: async () => ({ tokens: [], nextPageToken: '' }) }
})
afterEach(() => people.close())

const LS = ['tokens', 'ls', '--format=json']
const DONE = { status: 0, stdout: '[]\n', stderr: '' }
const file = (name: string) => path.join(people.home, '.muster', 'clusters', 'muster.internal', name)
const serial = async () => new X509Certificate(await readFile(file('chain.pem'))).serialNumber

/** Logs in with a twelve-hour certificate of this age; the server issues new ones. */
async function loginAged(agedMs: number): Promise<void> {
  people.hand.agedMs = agedMs
  await people.login()
  people.hand.agedMs = 0
}

describe('a certificate', () => {
  test('a certificate in the second half of its life is renewed while a command runs, for the same key', async () => {
    await loginAged(7 * HOUR_MS)
    const [key, before] = [await readFile(file('key.pem'), 'utf8'), await serial()]
    expect(await people.run(LS)).toEqual(DONE)
    expect(people.renewals).toBe(1)
    expect(await readFile(file('key.pem'), 'utf8')).toBe(key)
    expect(await serial()).not.toBe(before)
    expect(await people.run(LS)).toEqual(DONE)
    expect(people.renewals).toBe(1)
  })

  test('a certificate in the first half of its life is not renewed', async () => {
    await loginAged(5 * HOUR_MS)
    expect(await people.run(LS)).toEqual(DONE)
    expect(people.renewals).toBe(0)
  })

  test('a certificate that ends with its session is not renewed', async () => {
    people.hand.sessionExpiresAt = new Date(Math.floor(Date.now() / 1000) * 1000 + 2 * HOUR_MS)
    await loginAged(7 * HOUR_MS)
    expect(await people.run(LS)).toEqual(DONE)
    expect(people.renewals).toBe(0)
  })

  test("a certificate of 'ca-service issue-admin' is not renewed", async () => {
    const now = Date.now()
    await cluster.issueOperator({ notBefore: new Date(now - 10 * HOUR_MS), notAfter: new Date(now + HOUR_MS) })
    expect(await cluster.run(LS)).toEqual(DONE)
    expect(people.renewals).toBe(0)
    await cluster.issueOperator()
  })

  test('a renewal stores the new addresses of the services', async () => {
    await loginAged(7 * HOUR_MS)
    const registrationService = 'muster.example.com:3025'
    people.hand.addresses = { ...people.hand.addresses, registrationService, caService: ':4711' }
    await people.run(LS)
    expect(JSON.parse(await readFile(file('profile.json'), 'utf8'))).toMatchObject({
      addresses: { registration: cluster.addresses.registration, ca: '127.0.0.1:4711' },
      publicAddress: registrationService,
    })
  })

  test('an identity that 64 programs renew at once, during a new login, stays complete', async () => {
    await loginAged(7 * HOUR_MS)
    const programs = Array.from({ length: 64 }, () => people.run(LS))
    const logins = Array.from({ length: 8 }, () => people.login())
    for (const ran of await Promise.all(programs)) expect(ran).toEqual(DONE)
    for (const { stderr } of await Promise.all(logins)) expect(stderr).toBe('')
    expect(people.renewals).toBeGreaterThan(1)
    expect(await people.run(LS)).toEqual(DONE)
  })
})

describe('a login during a renewal', () => {
  const readFiles = () =>
    Promise.all(['key.pem', 'chain.pem', 'profile.json'].map((name) => readFile(file(name), 'utf8')))

  test('a login during a renewal keeps its own identity: the renewal writes nothing into the new folder', async () => {
    await loginAged(7 * HOUR_MS)
    const { renewUser } = people.answers
    let loggedIn: string[] = []
    people.answers.renewUser = async (request, context) => {
      const answer = await renewUser!(request, context)
      await people.login()
      loggedIn = await readFiles()
      return answer
    }
    expect(await people.run(LS)).toEqual(DONE)
    expect(people.renewals).toBe(1)
    expect(await readFiles()).toEqual(loggedIn)
  })

  test('a login during a renewal keeps its own identity when the former certificate had expired', async () => {
    await people.login()
    await people.endCertificate(new Date(Date.now() - HOUR_MS))
    const { signup } = people.answers
    let loggedIn: string[] = []
    people.answers.signup = async (request, context) => {
      const answer = await signup!(request, context)
      if (request.token !== '') return answer
      await people.login()
      loggedIn = await readFiles()
      return answer
    }
    const { status, stdout, stderr } = await people.run(LS)
    expect(stdout).toBe(DONE.stdout)
    expect(stderr).toContain('musterctl: warning: ')
    expect(status).toBe(0)
    expect(await readFiles()).toEqual(loggedIn)
  })
})

describe('a renewal that fails', () => {
  const fail = (error: AppError) => {
    people.answers.renewUser = async () => {
      people.renewals += 1
      throw error
    }
  }

  test.each([
    new AppError('unavailable', 'the database is not reachable'),
    new AppError('failedPrecondition', 'no session'),
    new AppError('internal', 'internal error'),
    refusal('USER_UNKNOWN', 'you are no longer a user of this cluster'),
  ])('a renewal that fails breaks no command, and prints nothing while there is time: $kind', async (error) => {
    await loginAged(7 * HOUR_MS)
    fail(error)
    expect(await people.run(LS)).toEqual(DONE)
    expect(people.renewals).toBe(1)
  })

  test('a renewal that fails causes one warning when the certificate expires soon', async () => {
    await loginAged(11 * HOUR_MS)
    fail(new AppError('unavailable', 'the database is not reachable'))
    const { status, stdout, stderr } = await people.run(LS)
    expect(stderr).toMatch(
      /^musterctl: warning: your certificate expires in (59m|1h) and could not be renewed: the database is not reachable\n$/,
    )
    expect({ status, stdout }).toEqual({ status: 0, stdout: '[]\n' })
  })

  test('a renewal whose server is silent delays the command only briefly', async () => {
    await loginAged(11 * HOUR_MS)
    people.answers.renewUser = async (_request, { signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      throw new AppError('unavailable', 'gone')
    }
    const { status, stderr } = await people.run(LS)
    expect(stderr).toContain('could not be renewed: registration-service did not answer in time\n')
    expect(status).toBe(0)
  })

  test.each(['eve', 'ada'])(
    'a renewal that returns a certificate for another key, in the name of %s, leaves the identity as it was',
    async (name) => {
      await loginAged(7 * HOUR_MS)
      const before = await serial()
      const { renewUser } = people.answers
      people.answers.renewUser = async (request, context) => {
        const answer = await renewUser!(request, context)
        const other = cluster.pki.member({ kind: 'user', name, roles: ['admin'] })
        return { ...answer, certificate: { chainDer: [...other.chainDer], serial: other.serial, expiresAt: undefined } }
      }
      expect(await people.run(LS)).toEqual(DONE)
      expect(await serial()).toBe(before)
    },
  )
})

describe('an added role', () => {
  const removal = ['users', 'rm', 'bob']

  beforeEach(() => {
    people.answers.removeUser = async ({ name }, { peer }) => {
      if (memberOf(peer).roles.includes('admin')) return { user: undefined }
      throw refusal('CALLER_NOT_ALLOWED', `this needs an operator with the role admin, not ${name}`)
    }
  })

  test('an added role works in the first command that needs it, which renews and retries', async () => {
    await people.login()
    people.hand.roles = ['admin']
    expect(await people.run(removal)).toEqual({ status: 0, stdout: 'User bob is removed\n', stderr: '' })
    expect(people.renewals).toBe(1)
    expect((await people.run(['whoami'])).stdout).toContain('Roles        admin\n')
  })

  test('a missing role is named in the refusal, with whom to ask', async () => {
    await people.login()
    const { status, stderr } = await people.run(removal)
    expect(stderr).toContain('registration-service refused: this needs an operator with the role admin')
    expect(stderr).toContain(
      "Ask an operator who has that role, or an admin for 'musterctl users update ada --roles=...'.\n",
    )
    expect(status).toBe(1)
  })
})

test('a removed person is told so once, with whom to ask', async () => {
  await people.login()
  const gone =
    "you are no longer a user of this cluster, or you signed up again elsewhere; ask an admin for 'musterctl users reset ada'"
  cluster.answers.tokens = {
    listTokens: async () => {
      throw refusal('USER_UNKNOWN', gone)
    },
  }
  const { status, stderr } = await people.run(LS)
  expect(stderr).toBe(
    `musterctl: token-service did not accept the certificate in ${path.dirname(file('x'))}: ${gone}\n`,
  )
  expect(status).toBe(1)
})

test('nodes watch renews its certificates and reconnects', async () => {
  people.hand.livesMs = 2_000
  const stop = new AbortController()
  const ends: number[] = []
  let shownAt = 0
  cluster.answers.registration = {
    ...cluster.answers.registration,
    async *watchNodes(_request, { peer, signal }) {
      const end = memberOf(peer).notAfter.getTime()
      ends.push(end)
      const node = { event: { $case: 'node' as const, value: aNode } }
      yield node
      await eventually('the end', () => signal.aborted || Date.now() > end)
      // Is refused if the stream is still that of the certificate which has ended.
      yield node
    },
  }
  await people.login()
  const watching = people.run(['nodes', 'watch', '--format=json'], {
    signal: stop.signal,
    stdout: { write: () => (shownAt = Date.now()) },
  })
  await eventually('nodes are shown after the first certificate has ended', () => shownAt > (ends[0] ?? Infinity))
  stop.abort()
  expect(await watching).toMatchObject({ status: 0, stderr: '' })
  expect(new Set(ends).size).toBeGreaterThanOrEqual(2)
})
