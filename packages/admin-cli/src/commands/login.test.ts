import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { AppError, refusal } from '@muster/domain'
import { parseCsr } from '@muster/pki'
import { testCluster } from '@muster/testkit'
import { parse as parseYaml } from 'yaml'
import { startTestCluster, type TestCluster } from '../../test/support/cluster.ts'
import { aToken, SECRET } from '../../test/support/data.ts'
import { SIGNUP_TOKEN, startPeople, type TestPeople } from '../../test/support/people.ts'

let cluster: TestCluster
let people: TestPeople

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())
beforeEach(async () => {
  people = await startPeople(cluster)
})
afterEach(() => people.close())

const CLUSTER = 'muster.internal'
const store = (...parts: string[]) => path.join(people.home, '.muster', ...parts)
const modeOf = async (file: string) => ((await stat(file)).mode & 0o777).toString(8)

describe('login', () => {
  test('login stores an identity that works, makes its cluster the current one, and prints its expiry', async () => {
    const { status, stdout, stderr } = await people.login()
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^Logged in to muster\.internal as ada: operator\. It is now the current cluster\.\n/)
    expect(stdout).toMatch(/Certificate {2}until .* UTC; musterctl renews it/)
    expect(stdout).toMatch(/Session {6}until .* UTC \(in 29d23h\); then ask an admin for a new signup token/)
    expect(stdout).toContain(`Folder       ${store('clusters', CLUSTER)}\n`)
    expect(status).toBe(0)

    cluster.answers.tokens = { listTokens: async () => ({ tokens: [], nextPageToken: '' }) }
    expect(await people.run(['tokens', 'ls', '--format=json'])).toEqual({ status: 0, stdout: '[]\n', stderr: '' })
  })

  test('login stores the key for its owner only, in private folders', async () => {
    await people.login()
    expect(await modeOf(store('clusters', CLUSTER, 'key.pem'))).toBe('600')
    expect(await modeOf(store('clusters', CLUSTER))).toBe('700')
    expect(await modeOf(store())).toBe('700')
    expect(await readdir(store('pending'))).toEqual([])
  })

  test.each(['json', 'yaml'] as const)('login prints the same as %s', async (format) => {
    const { stdout } = await people.login({ flags: [`--format=${format}`] })
    const data: unknown = format === 'json' ? JSON.parse(stdout) : parseYaml(stdout)
    expect(data).toEqual({
      name: 'ada',
      roles: ['operator'],
      break_glass: false,
      cluster_name: CLUSTER,
      auth_server: cluster.addresses.registration,
      certificate_expires_at: expect.stringMatching(/^\d{4}-.*Z$/),
      session_expires_at: people.hand.sessionExpiresAt.toISOString(),
      folder: store('clusters', CLUSTER),
    })
  })

  test('login reads :PORT as a port of the host that was reached, and any other address unchanged', async () => {
    const given = { tokenService: ':4711', caService: 'ca.example.com:3027', webService: 'web.example.com:443' }
    people.hand.addresses = { registrationService: '', ...given }
    await people.login()
    const profile: unknown = JSON.parse(await readFile(store('clusters', CLUSTER, 'profile.json'), 'utf8'))
    expect(profile).toMatchObject({
      user: 'ada',
      addresses: {
        registration: cluster.addresses.registration,
        token: '127.0.0.1:4711',
        ca: 'ca.example.com:3027',
      },
      publicAddress: cluster.addresses.registration,
      webAddress: 'web.example.com:443',
      caPins: [cluster.pin],
    })
  })

  test('login keeps the address that was reached, and prints the public address of the cluster', async () => {
    people.hand.addresses.registrationService = 'muster.example.com:3025'
    const { stdout } = await people.login({ flags: ['--format=json'] })
    expect(JSON.parse(stdout)).toMatchObject({ auth_server: 'muster.example.com:3025' })
    expect(JSON.parse(await readFile(store('clusters', CLUSTER, 'profile.json'), 'utf8'))).toMatchObject({
      addresses: { registration: cluster.addresses.registration },
      publicAddress: 'muster.example.com:3025',
    })

    cluster.answers.tokens = { createToken: async () => ({ token: aToken, value: SECRET }) }
    const { hostRootDer } = cluster
    const trustBundle = { version: 1, clusterName: CLUSTER, hostRootsDer: [hostRootDer], userRootsDer: [] }
    cluster.answers.ca = { getTrustBundle: async () => ({ trustBundle }) }
    const added = JSON.parse((await people.run(['tokens', 'add', '--type=node', '--format=json'])).stdout) as unknown
    expect(added).toMatchObject({
      auth_server: 'muster.example.com:3025',
      invitation: expect.stringContaining('@muster.example.com:3025'),
    })
  })

  test.each(['muster.example.com', ':3025', 'a b:1'])(
    'login stores nothing of a reply with the address %j',
    async (address) => {
      people.hand.addresses.registrationService = address
      const { status, stderr } = await people.login()
      expect(stderr).toContain('with invalid addresses')
      expect(status).toBe(1)
      expect(await people.run(['whoami'])).toMatchObject({ status: 1 })
    },
  )

  test('login accepts several pins, one of which must match', async () => {
    const [first, second] = [testCluster(CLUSTER).pin, testCluster(CLUSTER).pin]
    expect(await people.login({ flags: [`--ca-pin=${first},${second}`] })).toMatchObject({ status: 0, stderr: '' })
  })

  test('login reads the token from a file and from standard input', async () => {
    const file = path.join(people.home, 'token')
    await writeFile(file, `${SIGNUP_TOKEN}\n`)
    const without = (await people.login({ flags: [] })).status
    expect(without).toBe(0)
    const login = (token: string, stdin: string[]) =>
      people.run(
        [
          'login',
          `--auth-server=${cluster.addresses.registration}`,
          `--ca-pin=${cluster.pin}`,
          '--user=ada',
          `--token=${token}`,
        ],
        {
          stdin: (async function* () {
            yield* stdin
          })(),
        },
      )
    expect(await login('token', [])).toMatchObject({ status: 0, stderr: '' })
    expect(await login('-', [SIGNUP_TOKEN.slice(0, 9), SIGNUP_TOKEN.slice(9), '\nmore'])).toMatchObject({ status: 0 })
    expect(people.signups.map(({ token }) => token)).toEqual([SIGNUP_TOKEN, SIGNUP_TOKEN, SIGNUP_TOKEN])
  })

  test('a repeated login after a lost reply uses the same key', async () => {
    const { signup } = people.answers
    people.answers.signup = async (request, context) => {
      await signup!(request, context)
      throw new AppError('unavailable', 'ca-service cannot be reached; try again')
    }
    const lost = await people.login()
    expect(lost.stderr).toContain('cannot sign up at')
    expect(lost.stderr).toContain('it goes on with the same key')
    expect(lost.status).toBe(1)
    expect(await people.run(['whoami'])).toMatchObject({ status: 1 })

    people.answers.signup = signup!
    expect(await people.login()).toMatchObject({ status: 0 })
    const [first, second] = people.signups.map(({ csrDer }) => parseCsr(csrDer).publicKeyDer.toString('hex'))
    expect(second).toBe(first)
  })

  test('login creates a new key after a success and for another token', async () => {
    await people.login()
    await people.login()
    people.answers.signup = async (request) => {
      people.signups.push(request)
      throw refusal('TOKEN_EXPIRED', 'the token has expired')
    }
    await people.login()
    await people.login({ flags: [], user: 'ada', io: {} })
    const other = `--token=${SIGNUP_TOKEN.replace('signup2222', 'signup3333')}`
    await people.run([
      'login',
      `--auth-server=${cluster.addresses.registration}`,
      `--ca-pin=${cluster.pin}`,
      '--user=ada',
      other,
    ])
    const keys = people.signups.map(({ csrDer }) => parseCsr(csrDer).publicKeyDer.toString('hex'))
    expect(keys).toHaveLength(5)
    expect(keys[3]).toBe(keys[2])
    expect(new Set(keys).size).toBe(4)
  })

  test('login sends nothing to a server that does not match the pin', async () => {
    const other = testCluster(CLUSTER)
    const { status, stdout, stderr } = await people.run([
      'login',
      `--auth-server=${cluster.addresses.registration}`,
      `--ca-pin=${other.pin}`,
      '--user=ada',
      `--token=${SIGNUP_TOKEN}`,
    ])
    expect(stderr).toContain(`does not match the CA pin: it shows ${cluster.pin}. No secret was sent to it`)
    expect(stderr).toContain('somebody may be in between')
    expect(people.signups).toEqual([])
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  })

  test.each([
    ['another key', () => ({ publicKeyDer: cluster.pki.user('ada', 'admin').publicKeyDer })],
    ['another name', () => ({ name: 'eve' })],
    ['another kind of member', () => ({ kind: 'node' as const })],
    ['another authority', () => ({ signedBy: cluster.pki.authorities.host.issuing })],
    ['another cluster', () => ({ clusterName: 'other.internal' })],
  ])('login keeps no certificate for %s', async (_what, change) => {
    const { signup } = people.answers
    people.answers.signup = async (request, context) => {
      const answer = await signup!(request, context)
      const { publicKeyDer } = parseCsr(request.csrDer)
      const wrong = cluster.pki.certify({ kind: 'user', name: 'ada', publicKeyDer, ...change() })
      return {
        ...answer,
        certificate: { ...answer.certificate!, chainDer: [wrong.leafDer, answer.certificate!.chainDer[1]!] },
      }
    }
    const { status, stderr } = await people.login()
    expect(stderr).toContain('a certificate that is not ours; nothing was stored')
    expect(status).toBe(1)
    expect(await people.run(['clusters', 'ls', '--format=json'])).toMatchObject({ stdout: '[]\n' })
  })

  test.each(['../../evil', '..', 'MUSTER', ''])(
    'login rejects the cluster name %j, which would escape the folder',
    async (clusterName) => {
      const trustBundle = { version: 1, clusterName, hostRootsDer: [], userRootsDer: [] }
      cluster.answers.registration = { getTrustBundle: async () => ({ trustBundle }) }
      const { status, stderr } = await people.login()
      expect(stderr).toContain('with an invalid cluster name')
      expect(people.signups).toEqual([])
      expect(status).toBe(1)
    },
  )

  test.each([
    [
      'failedPrecondition',
      'the token has expired',
      /refused: the token has expired\nAsk an admin for 'musterctl users reset ada'\.\n$/,
    ],
    ['unauthenticated', 'no such token', /refused: no such token\nAsk an admin/],
    [
      'resourceExhausted',
      'too many refused attempts from this address; try again in 12s',
      /try again in 12s\n.*same command again/,
    ],
    ['failedPrecondition', "it is gone; ask an admin for 'musterctl users reset ada'", /^musterctl: .*reset ada'\n$/],
  ] as const)('a login that is refused with %s: %s says what to do next', async (kind, message, said) => {
    people.answers.signup = async () => {
      throw new AppError(kind, message)
    }
    const { status, stdout, stderr } = await people.login()
    expect(stderr).toMatch(said)
    expect(stderr).not.toContain(SIGNUP_TOKEN)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  })

  test.each([
    ['TOKEN_UNKNOWN', /\nCheck that .* copied whole.* admin for a new signup token: 'musterctl users reset ada'\.\n/],
    ['TOKEN_RESTRICTED', /\nCheck --user, .* admin for a new signup token: 'musterctl users reset ada'\.\n/],
  ] as const)('a login that is refused for %s first says what to check', async (reason, said) => {
    people.answers.signup = async () => {
      throw refusal(reason, 'no')
    }
    expect((await people.login()).stderr).toMatch(said)
  })

  test('login says that the server cannot be reached', async () => {
    const { status, stderr } = await people.run([
      'login',
      '--auth-server=127.0.0.1:1',
      `--ca-pin=${cluster.pin}`,
      '--user=ada',
      `--token=${SIGNUP_TOKEN}`,
    ])
    expect(stderr).toMatch(/cannot sign up at 127\.0\.0\.1:1 now: .*ECONNREFUSED/)
    expect(status).toBe(1)
  })

  test('login --cluster sends the token to that cluster only', async () => {
    const { status, stderr } = await people.login({ flags: ['--cluster=other.internal'] })
    expect(stderr).toContain('connected to cluster muster.internal, expected other.internal; the token was not sent\n')
    expect(people.signups).toEqual([])
    expect(status).toBe(1)
  })

  test('login says that another identity is used in this folder', async () => {
    const env = { HOME: people.home }
    expect((await people.login({ io: { cwd: cluster.dir, env } })).stderr).toBe(
      `musterctl: note: in this folder commands use ${cluster.operatorDir} ` +
        '(a local cluster, here or in a folder above); add --cluster muster.internal to use this login\n',
    )
  })

  test('login replaces a folder that a person put there', async () => {
    await mkdir(store('clusters', CLUSTER), { recursive: true })
    await writeFile(store('clusters', CLUSTER, 'notes'), 'mine')
    expect(await people.login()).toMatchObject({ status: 0 })
    expect(await readdir(store('clusters', CLUSTER))).toEqual(['bundle.pem', 'chain.pem', 'key.pem', 'profile.json'])
  })
})

const GIVEN = ['--auth-server=a', `--ca-pin=sha256:${'0'.repeat(64)}`, '--user=ada', '--token=x']

describe('bad flags of login', () => {
  test.each([
    [[], '--auth-server, --ca-pin, --user, --token are required: an admin'],
    [['--user=ada', '--token=x'], '--auth-server, --ca-pin are required'],
    [['--auth-server=a:b', '--ca-pin=sha256:0', '--user=ada', '--token=x'], '--auth-server: "a:b" is not HOST:PORT'],
    [['--auth-server=a', '--ca-pin=sha256:0', '--user=ada', '--token=x'], '--ca-pin: "sha256:0" is not sha256: and 64'],
    [['--auth-server=a', `--ca-pin=sha256:${'0'.repeat(64)}`, '--user=Ada', '--token=x'], '--user: "Ada" must start'],
    [['--identity=x', ...GIVEN], '--identity: not available here'],
    [['--identity=x', '--cluster=y.z', ...GIVEN], '--identity'],
  ])('login with %j exits with 2', async (flags, message) => {
    const { status, stderr } = await people.run(['login', ...flags])
    expect(stderr).toContain(`musterctl: ${message}`)
    expect(status).toBe(2)
  })

  test.each([
    ['./no/such/token', /looks like a path, but the file cannot be read \(ENOENT\)/],
    ['', /--token: is empty/],
    ['-', /standard input has no token/],
  ])('login with --token=%s exits with 2', async (token, message) => {
    const flags = ['--auth-server=a', `--ca-pin=${cluster.pin}`, '--user=ada', `--token=${token}`]
    const { status, stderr } = await people.run(['login', ...flags])
    expect(stderr).toMatch(message)
    expect(status).toBe(2)
  })
})
