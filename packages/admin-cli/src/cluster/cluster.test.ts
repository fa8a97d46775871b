import { chmod, cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { AppError, refusal } from '@muster/domain'
import { startConnectProxy, testCluster } from '@muster/testkit'
import { giveTo, testWithRoot } from '@muster/testkit/tools'
import type { OperatorProfile } from '@muster/identity'
import { runCli, startTestCluster, type TestCluster } from '../../test/support/cluster.ts'

let cluster: TestCluster

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

beforeEach(async () => {
  await cluster.issueOperator()
  cluster.answers.tokens = { listTokens: async () => ({ tokens: [], nextPageToken: '' }) }
})

const LS = ['tokens', 'ls', '--format=json']
const HOUR_MS = 3_600_000

describe('the identity', () => {
  test('the identity is found in .muster/operator here and in folders above, but not in the home folder', async () => {
    const below = path.join(cluster.dir, 'a', 'b')
    await mkdir(below, { recursive: true })
    expect(await runCli(LS, { cwd: below })).toEqual({ status: 0, stdout: '[]\n', stderr: '' })
    expect(await runCli(LS, { cwd: '/', env: { HOME: cluster.dir } })).toMatchObject({ status: 1 })
  })

  testWithRoot.each(['folder', 'link'])(
    'an identity that another user has put above, as a %s, is used only if it is named',
    async (what) => {
      const shared = path.join(cluster.dir, `shared-${what}`)
      const below = path.join(shared, 'work')
      const planted = path.join(shared, '.muster', 'operator')
      await mkdir(below, { recursive: true })
      await mkdir(path.dirname(planted))
      await (what === 'link'
        ? symlink(cluster.operatorDir, planted)
        : cp(cluster.operatorDir, planted, { recursive: true }))
      // Others may look into the folder, so that this works with sudo too.
      await chmod(planted, 0o755)
      giveTo(65_534, planted)
      const { status, stdout, stderr } = await runCli(LS, { cwd: below })
      expect(stderr).toContain(`the operator identity in ${planted} belongs to another user of this machine`)
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
      expect(await runCli([...LS, '--identity', planted], { cwd: below })).toMatchObject({ status: 0, stdout: '[]\n' })
      giveTo(process.getuid!(), planted)
    },
  )

  test('the folder of --identity has precedence over that of MUSTER_IDENTITY', async () => {
    const env = { MUSTER_IDENTITY: cluster.operatorDir }
    expect(await runCli(LS, { cwd: '/', env })).toMatchObject({ status: 0 })
    const { status, stderr } = await runCli([...LS, '--identity', 'elsewhere'], { cwd: '/nowhere', env })
    expect(stderr).toContain('there is no operator identity in /nowhere/elsewhere, which --identity names\n')
    expect(status).toBe(1)
  })

  test('the identity cannot be chosen by --identity and --cluster at once', async () => {
    const { status, stderr } = await cluster.run([...LS, '--identity=x', '--cluster=y.z'])
    expect(stderr).toContain('--identity contradicts --cluster\n')
    expect(status).toBe(2)
  })

  test('a missing identity is an error that says how to get one', async () => {
    const { status, stderr, stdout } = await runCli(LS, { cwd: '/nowhere' })
    for (const way of ["'npm start'", "'ca-service issue-admin'", "'musterctl login'"]) expect(stderr).toContain(way)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  })

  test('an expired identity is refused before anything is sent, with its end and the next step', async () => {
    await cluster.issueOperator({
      notBefore: new Date(Date.now() - 4 * HOUR_MS),
      notAfter: new Date(Date.now() - 2 * HOUR_MS),
    })
    const { status, stderr } = await cluster.run(LS)
    expect(stderr).toMatch(/^musterctl: the certificate of alice in .* expired 2h ago \(.* UTC\)\n/)
    expect(stderr).toContain("renewed while 'npm start' runs")
    expect(status).toBe(1)
  })

  test('the error of an identity that is not valid yet mentions the clock', async () => {
    await cluster.issueOperator({
      notBefore: new Date(Date.now() + HOUR_MS),
      notAfter: new Date(Date.now() + 2 * HOUR_MS),
    })
    expect((await cluster.run(LS)).stderr).toContain("Check this machine's clock.")
  })

  test('an identity whose key others can read works, with a warning', async () => {
    await chmod(path.join(cluster.operatorDir, 'key.pem'), 0o644)
    const { status, stdout, stderr } = await cluster.run(LS)
    expect(stderr).toMatch(/warning: others on this machine can read .*key\.pem; close it with: chmod 600 /)
    expect({ status, stdout }).toEqual({ status: 0, stdout: '[]\n' })
  })

  test.each([
    ['profile.json', '{}', /lacks the cluster's name or addresses/],
    ['profile.json', 'null', /profile\.json holds no JSON object/],
    ['profile.json', '{', /damaged/],
    ['chain.pem', 'nothing', /chain\.pem holds no certificate/],
  ])('an identity with a %s of %j is refused without a stack trace', async (file, content, message) => {
    await writeFile(path.join(cluster.operatorDir, file), content)
    const { status, stderr } = await cluster.run(LS)
    expect(stderr).toMatch(message)
    expect(stderr).not.toMatch(/\n\s+at /)
    expect(status).toBe(1)
  })

  test('an identity with the wrong key is refused before anything is sent, and the key is not printed', async () => {
    const { own } = testCluster('muster.internal').user('eve', 'admin')
    for (const key of [own.keyPem, 'sesame']) {
      await writeFile(path.join(cluster.operatorDir, 'key.pem'), key, { mode: 0o600 })
      const { stderr } = await cluster.run(LS)
      expect(stderr).toMatch(/key\.pem (?:is not the key of the certificate beside it|holds no private key)\n/)
      expect(stderr).not.toContain('sesame')
    }
  })

  test('an identity without its key is an error that names the missing file', async () => {
    await rm(path.join(cluster.operatorDir, 'key.pem'))
    expect((await cluster.run(LS)).stderr).toMatch(/is damaged: .*key\.pem/)
  })
})

describe('a call', () => {
  async function changeAddresses(change: (addresses: OperatorProfile['addresses']) => void): Promise<void> {
    const file = path.join(cluster.operatorDir, 'profile.json')
    const profile = JSON.parse(await readFile(file, 'utf8')) as OperatorProfile
    change(profile.addresses)
    await writeFile(file, JSON.stringify(profile))
  }

  test('a failed call to a service that is down names the service, its address, and what to check', async () => {
    await changeAddresses((addresses) => (addresses.token = '127.0.0.1:1'))
    const { status, stderr } = await cluster.run(LS)
    expect(stderr).toBe(
      'musterctl: cannot reach token-service at 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1\n' +
        `Is the cluster running? 'npm start' starts a local one. The address comes from ${cluster.operatorDir}/profile.json.\n`,
    )
    expect(status).toBe(1)
  })

  test('a call goes through the proxy that https_proxy names, and an error names it', async () => {
    const target = cluster.addresses.token
    await changeAddresses((addresses) => (addresses.token = 'token.test:3026'))
    const proxy = await startConnectProxy(target, { password: 'ada:canary' })
    const throughProxy = (login: string) =>
      runCli(LS, { cwd: cluster.dir, env: { https_proxy: `http://${login}@${proxy.address}` } })
    expect(await throughProxy('ada:canary')).toEqual({ status: 0, stdout: '[]\n', stderr: '' })
    expect(proxy.requested).toEqual(['token.test:3026'])
    const { status, stderr } = await throughProxy('ada:wrong-canary')
    expect(stderr).toContain(
      `cannot reach token-service at token.test:3026: the proxy ${proxy.address} refused a connection to token.test:3026: `,
    )
    expect(stderr).not.toContain('canary')
    expect(status).toBe(1)
    await proxy.close()
  })

  test('a call to a server of another cluster is not made', async () => {
    await cluster.issueOperator({ bundlePem: testCluster('muster.internal').hostRootsPem })
    const { status, stderr } = await cluster.run(LS)
    expect(stderr).toMatch(/token-service at .* could not be verified, so nothing was sent to it: .*certificate/)
    expect(status).toBe(1)
  })

  test('a call to another service of the same cluster is not made', async () => {
    await changeAddresses((addresses) => (addresses.token = addresses.ca))
    expect((await cluster.run(LS)).stderr).toMatch(
      /could not be verified.*that is ca-service; tokens are kept by token-service/,
    )
  })

  test.each([
    ['permissionDenied', 'this needs an operator with the role operator', 'Ask an operator who has that role.'],
    ['resourceExhausted', 'too many requests', 'Wait a moment and try again.'],
    ['internal', 'anything', 'The log of token-service says why.'],
  ] as const)('a call that fails with %s says what to do next, on one line each', async (kind, message, next) => {
    cluster.answers.tokens = {
      listTokens: async () => {
        throw new AppError(kind, message)
      },
    }
    const { status, stderr } = await cluster.run(LS)
    expect(stderr.split('\n')).toEqual([expect.stringContaining(message), next, ''])
    expect(status).toBe(1)
  })

  test('-v prints the gRPC status, the reason and the service of a failed call', async () => {
    cluster.answers.tokens = {
      listTokens: async () => {
        throw refusal('LAST_ADMIN', 'not now', { field: 'a_field' })
      },
    }
    const { stderr } = await cluster.run([...LS, '-v'])
    const { addresses } = JSON.parse(
      await readFile(path.join(cluster.operatorDir, 'profile.json'), 'utf8'),
    ) as OperatorProfile
    expect(stderr.split('\n').slice(2, 6)).toEqual([
      '  status: FAILED_PRECONDITION',
      `  service: token-service at ${addresses.token}`,
      '  reason: LAST_ADMIN',
      '  field: a_field',
    ])
    expect((await cluster.run(LS)).stderr).not.toContain('FAILED_PRECONDITION')
  })

  test('an interrupted call exits with 1', async () => {
    const stop = new AbortController()
    cluster.answers.tokens = {
      listTokens: async (_request, { signal }) => {
        stop.abort(new Error('interrupted'))
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        throw new AppError('unavailable', 'gone')
      },
    }
    const ran = await cluster.run(LS, { signal: stop.signal })
    expect(ran).toEqual({ status: 1, stdout: '', stderr: 'musterctl: interrupted\n' })
  })
})
