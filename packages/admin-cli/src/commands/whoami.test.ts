import { appendFile, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { BREAK_GLASS } from '@muster/domain'
import { type OperatorProfile, writeIdentity } from '@muster/identity'
import { parse as parseYaml } from 'yaml'
import { startTestCluster, type TestCluster } from '../../test/support/cluster.ts'
import { HOUR_MS, startPeople, type TestPeople } from '../../test/support/people.ts'

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

const MINE = 'muster.internal'
const OTHER = 'other.internal'
const store = (...parts: string[]) => path.join(people.home, '.muster', ...parts)

/** A second identity in the store, as a login to another cluster would leave it. */
async function addOther(): Promise<void> {
  const { own, hostRootsPem: bundlePem } = cluster.pki.member({
    kind: 'user',
    name: 'root',
    roles: ['admin', BREAK_GLASS],
  })
  const profile: OperatorProfile = {
    clusterName: OTHER,
    caPins: [],
    addresses: cluster.addresses,
    publicAddress: 'other.example.com:3025',
  }
  await mkdir(store('clusters', OTHER), { recursive: true })
  await writeFile(store('clusters', OTHER, 'key.pem'), own.keyPem, { mode: 0o600 })
  await writeIdentity(store('clusters', OTHER), { chainPem: own.chainPem, bundlePem, profile })
}

describe('whoami', () => {
  test('whoami prints name, roles, cluster, expiry and where the identity was found, without calling a server', async () => {
    await people.login()
    cluster.answers = {}
    const { status, stdout, stderr } = await people.run(['whoami'])
    expect(stdout.split('\n')).toEqual([
      'Name         ada',
      'Roles        operator',
      `Cluster      ${MINE}`,
      `Address      ${cluster.addresses.registration}`,
      expect.stringMatching(/^Certificate {2}until .* UTC \(in 1[12]h.*\)$/),
      expect.stringMatching(/^Session {6}until .* UTC \(in 29d23h\)$/),
      `Folder       ${store('clusters', MINE)}`,
      'Found by     the current cluster',
      '',
    ])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test.each(['json', 'yaml'])('whoami says the same as %s', async (format) => {
    people.hand.roles = ['admin', 'viewer']
    await people.login()
    const { stdout } = await people.run(['whoami', `--format=${format}`])
    expect(format === 'json' ? JSON.parse(stdout) : parseYaml(stdout)).toEqual({
      name: 'ada',
      roles: ['admin', 'viewer'],
      break_glass: false,
      cluster_name: MINE,
      auth_server: cluster.addresses.registration,
      certificate_expires_at: expect.stringMatching(/^\d{4}-.*Z$/),
      session_expires_at: people.hand.sessionExpiresAt.toISOString(),
      folder: store('clusters', MINE),
      found_by: 'the current cluster',
    })
  })

  test('whoami says that the next command renews an expired certificate while the session lasts, without calling a server', async () => {
    await people.login()
    cluster.answers = {}
    const now = () => new Date(Date.now() + 14 * HOUR_MS)
    const { status, stdout, stderr } = await people.run(['whoami'], { now })
    expect(stdout).toMatch(/Certificate {2}expired 2h.* ago \(.* UTC\); renewed with the next command\n/)
    expect(stdout).toMatch(/Session {6}until .* UTC \(in 29d9h\)\n/)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test('whoami says that the session is over and whom to ask, and exits with 1', async () => {
    await people.login()
    const now = () => new Date(people.hand.sessionExpiresAt.getTime() + 2 * HOUR_MS)
    const { status, stdout, stderr } = await people.run(['whoami'], { now })
    expect(stdout).toMatch(/Certificate {2}expired .* UTC\)\n/)
    expect(stdout).toMatch(/Session {6}expired 2h ago/)
    expect(stderr).toMatch(/the session of ada in .* expired 2h ago/)
    expect(stderr).toContain(
      "Ask an admin for 'musterctl users reset ada', then run the login command that it prints.\n",
    )
    expect(status).toBe(1)
  })

  test.each([
    [['--identity=.muster/clusters/other.internal'], {}, '--identity', 'root'],
    [['--cluster=other.internal'], {}, '--cluster', 'root'],
    [['--cluster=other.internal'], { MUSTER_IDENTITY: 'elsewhere' }, '--cluster', 'root'],
    [[], { MUSTER_IDENTITY: '.muster/clusters/other.internal' }, 'MUSTER_IDENTITY', 'root'],
    [[], { MUSTER_IDENTITY: '' }, 'the current cluster', 'ada'],
  ])('the identity chosen by %j and %j is found by %s', async (flags, env, foundBy, name) => {
    await people.login()
    await addOther()
    const { stdout } = await people.run(['whoami', '--format=json', ...flags], { env: { HOME: people.home, ...env } })
    expect(JSON.parse(stdout)).toMatchObject({ found_by: foundBy, name })
  })

  test('whoami prefers a local cluster, here or in a folder above, to the current cluster', async () => {
    await people.login()
    const io = { cwd: path.join(cluster.dir), env: { HOME: people.home } }
    const found: unknown = JSON.parse((await people.run(['whoami', '--format=json'], io)).stdout)
    expect(found).toMatchObject({
      name: 'alice',
      folder: cluster.operatorDir,
      found_by: 'a local cluster, here or in a folder above',
      session_expires_at: null,
    })
  })

  test('whoami distinguishes a break-glass identity from a person', async () => {
    await addOther()
    const { stdout } = await people.run(['whoami', `--cluster=${OTHER}`])
    expect(stdout).toContain('Roles        admin\n')
    expect(stdout).toContain("Session      none: made by 'ca-service issue-admin', which renews it\n")
  })

  test.each(['no.such.cluster', '../clusters/muster.internal', ''])(
    'whoami says that nobody is logged in to %j',
    async (name) => {
      await people.login()
      const { status, stderr } = await people.run(['whoami', '--cluster', name])
      expect(stderr).toContain(`you are not logged in to ${name}\n'musterctl clusters ls' shows where you are`)
      expect(status).toBe(1)
    },
  )
})

describe('clusters', () => {
  test('clusters ls prints a table that marks the current one', async () => {
    await people.login()
    await addOther()
    const { status, stdout, stderr } = await people.run(['clusters', 'ls'])
    const [head, , ...rows] = stdout.split('\n')
    expect(head).toMatch(/^Current {2}Cluster {10}User {2}Roles {5}Certificate +Session +Address$/)
    expect(rows).toEqual([
      expect.stringMatching(
        /^\* {8}muster\.internal {2}ada {3}operator {2}.* UTC \(in 1[12]h.*\) .*\(in 29d23h\) {2}127\.0\.0\.1:\d+$/,
      ),
      expect.stringMatching(
        /^ {9}other\.internal {3}root {2}admin {5}.* UTC \(in 2[34]h.*\) +other\.example\.com:3025$/,
      ),
      '',
    ])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test('clusters ls says that a command renews an expired certificate, until the session is over', async () => {
    await people.login()
    await addOther()
    const rowsAt = async (time: number) => {
      const { stdout } = await people.run(['clusters', 'ls'], { now: () => new Date(time) })
      return stdout.split('\n').slice(2)
    }
    expect(await rowsAt(Date.now() + 30 * HOUR_MS)).toEqual([
      expect.stringMatching(/ada {3}operator {2}renewed with the next command {2}.*\(in 28d\d+h\)/),
      expect.stringMatching(/root {2}admin {5}expired /),
      '',
    ])
    expect((await rowsAt(Date.now() + 800 * HOUR_MS))[0]).toMatch(/ada {3}operator {2}expired {6}expired /)
  })

  test.each(['json', 'yaml'])('clusters ls as %s prints the identity of each', async (format) => {
    await people.login()
    await addOther()
    const { stdout } = await people.run(['clusters', 'ls', `--format=${format}`])
    const ending = expect.stringMatching(/^\d{4}-.*Z$/)
    expect(format === 'json' ? JSON.parse(stdout) : parseYaml(stdout)).toEqual([
      {
        name: 'ada',
        roles: ['operator'],
        break_glass: false,
        cluster_name: MINE,
        auth_server: cluster.addresses.registration,
        certificate_expires_at: ending,
        session_expires_at: ending,
        folder: store('clusters', MINE),
        current: true,
      },
      {
        name: 'root',
        roles: ['admin'],
        break_glass: true,
        cluster_name: OTHER,
        auth_server: 'other.example.com:3025',
        certificate_expires_at: ending,
        session_expires_at: null,
        folder: store('clusters', OTHER),
        current: false,
      },
    ])
  })

  test('clusters ls without logins says how to log in', async () => {
    expect(await people.run(['clusters', 'ls', '--format=json'])).toEqual({ status: 0, stdout: '[]\n', stderr: '' })
    expect((await people.run(['clusters', 'ls'])).stderr).toContain("An admin's 'musterctl users add'")
  })

  test('clusters ls warns of a damaged identity and shows the others', async () => {
    await people.login()
    await addOther()
    await writeFile(store('clusters', OTHER, 'chain.pem'), 'nothing')
    const { status, stdout, stderr } = await people.run(['clusters', 'ls', '--format=json'])
    expect(JSON.parse(stdout)).toMatchObject([{ cluster_name: MINE }])
    expect(stderr).toMatch(/warning: .*other\.internal\/chain\.pem holds no certificate\n/)
    expect(status).toBe(0)
  })

  test('clusters use changes the current one', async () => {
    await people.login()
    await addOther()
    expect(await people.run(['clusters', 'use', OTHER])).toEqual({
      status: 0,
      stdout: 'other.internal is now the current cluster\n',
      stderr: '',
    })
    expect((await people.run(['whoami'])).stdout).toContain('Name         root\n')
    const { stdout } = await people.run(['clusters', 'use', MINE, '--format=json'])
    expect(JSON.parse(stdout)).toEqual({ cluster_name: MINE, previous: OTHER })
    expect(parseYaml((await people.run(['clusters', 'use', MINE, '--format=yaml'])).stdout)).toEqual({
      cluster_name: MINE,
      previous: MINE,
    })
  })

  test('clusters use with an unknown cluster changes nothing', async () => {
    await people.login()
    const { status, stderr } = await people.run(['clusters', 'use', OTHER])
    expect(stderr).toContain('you are not logged in to other.internal\n')
    expect(status).toBe(1)
    expect(await people.run(['whoami'])).toMatchObject({ status: 0 })
  })

  test.each([
    [['clusters', 'use'], 'which cluster?'],
    [['clusters', 'use', 'a.b', 'c.d'], 'one cluster at a time'],
    [['logout', '--identity=x'], '--identity: not available here'],
  ])('%j is bad usage', async (argv, message) => {
    const { status, stderr } = await people.run(argv)
    expect(stderr).toContain(`musterctl: ${message}`)
    expect(status).toBe(2)
  })

  test('clusters ls without a home folder fails and says what to set', async () => {
    const { status, stderr } = await people.run(['clusters', 'ls'], { env: {} })
    expect(stderr).toContain('Set HOME to the folder that is yours.\n')
    expect(status).toBe(1)
  })
})

describe('logout', () => {
  test('logout deletes key and certificate, and says that copies still work', async () => {
    await people.login()
    const { status, stdout } = await people.run(['logout'])
    expect(stdout).toContain(
      `Logged out of ${MINE}: the key and certificate in ${store('clusters', MINE)} are deleted.\n`,
    )
    expect(stdout).toContain("'musterctl users rm ada' or 'musterctl users reset ada'")
    expect(status).toBe(0)
    expect(await readdir(store('identities'))).toEqual([])
    expect(await readdir(store('clusters'))).toEqual([])
    expect((await people.run(['whoami'])).stderr).toContain('no operator identity found')
    expect((await people.run(['logout'])).stderr).toContain('no current cluster to log out of\n')
  })

  test.each(['json', 'yaml'])(
    'logout of another cluster keeps the current one; %s prints what was deleted',
    async (format) => {
      await people.login()
      await addOther()
      const { stdout } = await people.run(['logout', `--cluster=${OTHER}`, `--format=${format}`])
      expect(format === 'json' ? JSON.parse(stdout) : parseYaml(stdout)).toEqual({
        cluster_name: OTHER,
        name: 'root',
        folder: store('clusters', OTHER),
      })
      expect((await people.run(['whoami'])).stdout).toContain('Name         ada\n')
    },
  )

  test('logout deletes a damaged identity too', async () => {
    await people.login()
    await appendFile(store('clusters', MINE, 'profile.json'), '{')
    expect(await people.run(['whoami'])).toMatchObject({ status: 1 })
    expect(await people.run(['logout'])).toMatchObject({ status: 0 })
    expect(await readdir(store('identities'))).toEqual([])
  })

  test('logout removes a link that a person made, and keeps its target', async () => {
    await addOther()
    const elsewhere = path.join(people.home, 'elsewhere')
    await rm(elsewhere, { recursive: true, force: true })
    await mkdir(elsewhere)
    await symlink(elsewhere, store('clusters', 'linked.internal'))
    expect(await people.run(['logout', '--cluster=linked.internal'])).toMatchObject({ status: 0 })
    expect(await readdir(people.home)).toContain('elsewhere')
  })
})
