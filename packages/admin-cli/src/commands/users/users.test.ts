import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { users } from '@muster/contracts'
import { AppError, refusal } from '@muster/domain'
import { parse as parseYaml } from 'yaml'
import { aUser as ada, NOW, SECRET as TOKEN } from '../../../test/support/data.ts'
import { PUBLIC_ADDRESS, runCli, startTestCluster, type TestCluster } from '../../../test/support/cluster.ts'

let cluster: TestCluster

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())
beforeEach(() => {
  cluster.answers = {
    ca: {
      getTrustBundle: async () => ({
        trustBundle: { version: 1, clusterName: 'x', hostRootsDer: [cluster.hostRootDer], userRootsDer: [] },
      }),
    },
  }
})

const run = (...argv: string[]) => cluster.run(argv, { now: () => NOW })

const invited: users.User = {
  ...ada,
  name: 'bob',
  roles: ['viewer'],
  state: users.UserState.INVITED,
  signedUpAt: undefined,
  lastSeenAt: undefined,
  sessionExpiresAt: undefined,
  certificateExpiresAt: undefined,
}
const adaJson = {
  name: 'ada',
  roles: ['operator', 'viewer'],
  state: 'active',
  created_by: 'spiffe://muster.internal/user/alice',
  created_at: '2026-11-01T08:00:00.000Z',
  signed_up_at: '2026-11-01T09:00:00.000Z',
  last_seen_at: '2026-11-22T18:08:21.000Z',
  session_expires_at: '2026-12-01T09:00:00.000Z',
  certificate_expires_at: '2026-11-23T02:00:00.000Z',
  lock: null,
}
const invitedJson = {
  ...adaJson,
  name: 'bob',
  roles: ['viewer'],
  state: 'invited',
  signed_up_at: null,
  last_seen_at: null,
  session_expires_at: null,
  certificate_expires_at: null,
  lock: null,
}

describe.each([
  ['add', ['users', 'add', 'bob', '--roles=viewer'], 'User bob is added: viewer.'],
  [
    'reset',
    ['users', 'reset', 'bob'],
    'User bob is reset: the old identity no longer works, and bob can sign up again.',
  ],
] as const)('users %s', (_verb, argv, first) => {
  let asked: unknown

  beforeEach(() => {
    const made = { user: invited, signupToken: TOKEN, signupTokenId: 'abcdefghij' }
    cluster.answers.users = {
      createUser: async (request) => ((asked = request), made),
      resetUser: async (request) => ((asked = request), made),
    }
  })

  test('the command names the person and prints the signup command, ready to paste', async () => {
    const { status, stdout, stderr } = await run(...argv, '--ttl=90m')
    expect(stdout).toBe(`${first}

Send this command to bob, to run once within 1 hour 30 minutes on their own machine:

musterctl login \\
  --auth-server=${PUBLIC_ADDRESS} \\
  --ca-pin=${cluster.pin} \\
  --user=bob \\
  --token=${TOKEN}

Please note:

  - The first person to run it becomes bob: send it over a private channel
  - The key is created on that machine and never leaves it
  - ${PUBLIC_ADDRESS} must be reachable from there
  - The token is not shown again. If it is lost or has expired: musterctl users reset bob
  - Its id is abcdefghij; to revoke it: musterctl tokens rm abcdefghij
`)
    expect(asked).toMatchObject({ name: 'bob', signupTtlSeconds: 5400 })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test('the signup token is valid for an hour by default', async () => {
    await run(...argv)
    expect(asked).toMatchObject({ signupTtlSeconds: 3600 })
  })

  test('the printed commands repeat the identity flags', async () => {
    const { stdout } = await runCli([...argv, '--identity', cluster.operatorDir], { cwd: '/' })
    expect(stdout).toContain(`musterctl users reset bob --identity ${cluster.operatorDir}\n`)
    expect(stdout).toContain(`musterctl tokens rm abcdefghij --identity ${cluster.operatorDir}\n`)
  })

  test('--format=text prints the token alone', async () => {
    expect(await run(...argv, '--format=text')).toEqual({ status: 0, stdout: `${TOKEN}\n`, stderr: '' })
  })

  test.each(['json', 'yaml'])('--format=%s prints everything', async (format) => {
    const { stdout } = await run(...argv, `--format=${format}`)
    expect(format === 'json' ? JSON.parse(stdout) : parseYaml(stdout)).toEqual({
      token: TOKEN,
      token_id: 'abcdefghij',
      ...invitedJson,
      ca_pins: [cluster.pin],
      auth_server: PUBLIC_ADDRESS,
    })
  })

  test('nothing is created if the pins cannot be read', async () => {
    asked = undefined
    cluster.answers.ca = {}
    expect(await run(...argv)).toMatchObject({ status: 1, stdout: '' })
    expect(asked).toBeUndefined()
  })

  test('a refusal for a missing role names the role and says whom to ask', async () => {
    const refuse = async () => {
      throw refusal('CALLER_NOT_ALLOWED', 'this needs an operator with the role admin')
    }
    cluster.answers.users = { createUser: refuse, resetUser: refuse }
    const { status, stderr } = await run(...argv)
    expect(stderr).toBe(
      'musterctl: registration-service refused: this needs an operator with the role admin\nAsk an operator who has that role.\n',
    )
    expect(status).toBe(1)
  })
})

test('users add with a taken name says what to do', async () => {
  cluster.answers.users = {
    createUser: async () => {
      throw new AppError(
        'alreadyExists',
        "user bob already exists; 'musterctl users reset bob' makes a new signup command",
        { field: 'name' },
      )
    },
  }
  const { status, stderr } = await run('users', 'add', 'bob', '--roles=viewer')
  expect(stderr).toBe(
    "musterctl: registration-service refused the name: user bob already exists; 'musterctl users reset bob' makes a new signup command\n",
  )
  expect(status).toBe(1)
})

describe('users ls', () => {
  test('users ls prints a table of roles, state and times', async () => {
    cluster.answers.users = { listUsers: async () => ({ users: [ada, invited], nextPageToken: '' }) }
    expect((await run('users', 'ls')).stdout).toBe(
      `Name  Roles            State    Created               Last Seen  Session Ends
----  ---------------  -------  --------------------  ---------  -------------------------------
ada   operator,viewer  active   2026-11-01 08:00 UTC  2m ago     2026-12-01 09:00 UTC (in 8d14h)
bob   viewer           invited  2026-11-01 08:00 UTC  never
`,
    )
  })

  test.each(['json', 'yaml'])('users ls as %s prints every field of every page', async (format) => {
    cluster.answers.users = {
      listUsers: async ({ pageToken }) =>
        pageToken === '' ? { users: [ada], nextPageToken: 'next' } : { users: [invited], nextPageToken: '' },
    }
    const { stdout } = await run('users', 'ls', `--format=${format}`)
    expect(format === 'json' ? JSON.parse(stdout) : parseYaml(stdout)).toEqual([adaJson, invitedJson])
  })

  test('users ls without people says how to add the first person', async () => {
    cluster.answers.users = { listUsers: async () => ({ users: [], nextPageToken: '' }) }
    expect(await run('users', 'ls', '--format=json')).toEqual({ status: 0, stdout: '[]\n', stderr: '' })
    expect((await run('users', 'ls')).stderr).toContain("'musterctl users add NAME --roles=admin'")
  })

  test('users ls prints a state that this version does not know as unknown', async () => {
    cluster.answers.users = { listUsers: async () => ({ users: [{ ...ada, state: 9 as never }], nextPageToken: '' }) }
    expect(JSON.parse((await run('users', 'ls', '--format=json')).stdout)).toMatchObject([{ state: 'unknown' }])
  })
})

describe('users rm', () => {
  beforeEach(() => {
    cluster.answers.users = {
      removeUser: async ({ name }) => {
        if (name === 'nobody') throw new AppError('notFound', 'there is no user nobody')
        if (name === 'root') throw refusal('LAST_ADMIN', 'root is the last admin')
        if (name === 'late') throw new AppError('unavailable', 'the database is not reachable')
        return { user: { ...ada, name } }
      },
    }
  })

  test('users rm removes several people and continues after a refusal', async () => {
    const { status, stdout, stderr } = await run('users', 'rm', 'nobody', 'ada', 'root', 'bob')
    expect(stdout).toBe('User ada is removed\nUser bob is removed\n')
    expect(stderr).toContain('musterctl: there is no user nobody\n')
    expect(stderr).toContain(
      "musterctl: root is the last admin; make another user admin first, or use 'ca-service issue-admin'.\n",
    )
    expect(status).toBe(1)
  })

  test('users rm prints what was removed before a service failed', async () => {
    const { status, stdout, stderr } = await run('users', 'rm', 'ada', 'late', 'bob')
    expect(stdout).toBe('User ada is removed\n')
    expect(stderr).toContain('the database is not reachable')
    expect(status).toBe(1)
  })

  test.each(['json', 'yaml'])('users rm as %s lists what was removed', async (format) => {
    const { stdout, status } = await run('users', 'rm', 'ada', 'bob', `--format=${format}`)
    expect(format === 'json' ? JSON.parse(stdout) : parseYaml(stdout)).toEqual([
      { name: 'ada', deleted: true },
      { name: 'bob', deleted: true },
    ])
    expect(status).toBe(0)
  })
})

describe('users update', () => {
  let asked: unknown
  beforeEach(() => {
    cluster.answers.users = { updateUser: async (request) => ((asked = request), { user: ada }) }
  })

  test('users update prints the new roles', async () => {
    const { status, stdout } = await run('users', 'update', 'ada', '--roles=viewer,operator')
    expect(stdout).toMatch(/^User ada now has the roles operator, viewer\.\n/)
    expect(asked).toMatchObject({ name: 'ada', roles: ['operator', 'viewer'] })
    expect(status).toBe(0)
  })

  test.each(['json', 'yaml'])('users update as %s prints the person', async (format) => {
    const { stdout } = await run('users', 'update', 'ada', '--roles=operator', `--format=${format}`)
    expect(format === 'json' ? JSON.parse(stdout) : parseYaml(stdout)).toEqual(adaJson)
  })
})

describe('bad usage of users', () => {
  test.each([
    [['users', 'add', '--roles=viewer'], 'which user?'],
    [['users', 'add', 'ada', 'bob', '--roles=viewer'], 'one user at a time; 2 names were given'],
    [['users', 'add', 'ada'], '--roles is required: what the person may do: viewer (read)'],
    [['users', 'add', 'ada', '--roles=root'], '--roles: "root" is not known; valid values: viewer, operator, admin'],
    [['users', 'add', 'Ada', '--roles=viewer'], 'NAME: "Ada" must start with a lower-case letter'],
    [['users', 'add', 'ada', '--roles=viewer', '--ttl=0'], '--ttl: must be at least 1s'],
    [
      ['users', 'add', 'ada', '--roles=viewer', '--ttl=99999999d'],
      '--ttl: must be at least 1s and at most the limit of the cluster, 2d unless it is configured; got 99999999d',
    ],
    [['users', 'reset'], 'which user?'],
    [['users', 'rm'], 'which user?'],
    [['users', 'rm', 'ada', '../x'], 'NAME: "../x" must start'],
    [['users', 'update', 'ada'], '--roles is required'],
  ])('%j exits with 2', async (argv, message) => {
    const { status, stdout, stderr } = await run(...argv)
    expect(stderr).toContain(`musterctl: ${message}`)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  })
})
