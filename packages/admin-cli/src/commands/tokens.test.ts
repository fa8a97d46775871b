import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { token } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { testCluster } from '@muster/testkit'
import { parse as parseYaml } from 'yaml'
import { PUBLIC_ADDRESS, startTestCluster, type TestCluster } from '../test-cluster.ts'

const NOW = new Date('2026-11-22T18:10:21Z')
const SECRET = 'mtk_abcdefghij_klmnopqrstuvwxyz234567abcdefghij'

let cluster: TestCluster
let asked: token.CreateTokenRequest[]

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

beforeEach(() => {
  asked = []
  cluster.answers = {
    ca: { getTrustBundle: async () => ({ trustBundle: bundle() }) },
    tokens: {
      createToken: async (request) => {
        asked.push(request)
        const { roles, labels, description, botName, maxUses } = request
        const expiresAt = new Date(NOW.getTime() + request.ttlSeconds * 1000)
        const made = { ...aToken, roles, labels, description, botName, expiresAt, maxUses }
        return { token: made, value: request.value || SECRET }
      },
    },
  }
})

const aToken: token.Token = {
  id: 'abcdefghij',
  roles: ['node'],
  labels: {},
  description: '',
  botName: '',
  createdBy: 'spiffe://muster.internal/user/alice',
  createdAt: NOW,
  expiresAt: new Date('2026-11-22T18:15:00Z'),
  uses: 0,
  type: token.TokenType.JOIN,
  state: token.TokenState.LIVE,
  name: '',
  userName: '',
  restrictions: undefined,
  nodeLabels: {},
  revokedAt: undefined,
}

function bundle() {
  return { version: 1, clusterName: 'muster.internal', hostRootsDer: [cluster.hostRootDer], userRootsDer: [] }
}

describe('tokens add', () => {
  test('prints the token, when it expires, the command to paste, and notes', async () => {
    const { status, stdout, stderr } = await cluster.run(['tokens', 'add', '--type=node', '--ttl=5m'])
    expect(stderr).toBe('')
    expect(stdout).toBe(`The invite token: ${SECRET}
This token will expire in 5 minutes.

Run this on the new node to join the cluster:

muster start \\
  --roles=node \\
  --token=${SECRET} \\
  --ca-pin=${cluster.pin} \\
  --auth-server=${PUBLIC_ADDRESS}

Please note:

  - This invitation token will expire in 5 minutes
  - ${PUBLIC_ADDRESS} must be reachable from the new node
  - It admits any number of nodes until then; --max-uses sets a limit
  - The token is not shown again. Its id is abcdefghij; revoke it with: musterctl tokens rm abcdefghij
`)
    expect(status).toBe(0)
  })

  test('prints a pin for each root while an authority is being replaced', async () => {
    cluster.answers.ca = {
      getTrustBundle: async () => ({
        trustBundle: {
          ...bundle(),
          hostRootsDer: [cluster.hostRootDer, testCluster().authorities.host.root.certificateDer],
        },
      }),
    }
    const { stdout } = await cluster.run(['tokens', 'add', '--type=node'])
    expect(stdout.match(/--ca-pin=sha256:[0-9a-f]{64} \\\n/g)).toHaveLength(2)
  })

  test('sends every flag', async () => {
    const flags = [
      '--max-uses=3',
      '--labels=env=prod,team=web',
      '--description=the web tier',
      '--value=correct-horse-battery',
    ]
    await cluster.run(['tokens', 'add', '--type=Proxy,node', '--ttl', '1h30m', ...flags])
    expect(asked).toEqual([
      {
        roles: ['node', 'proxy'],
        ttlSeconds: 5400,
        maxUses: 3,
        labels: { env: 'prod', team: 'web' },
        description: 'the web tier',
        botName: '',
        value: 'correct-horse-battery',
        name: '',
        restrictions: undefined,
        nodeLabels: {},
      },
    ])
  })

  test('prints the bare token with --format=text, and needs no ca-service for it', async () => {
    cluster.answers.ca = {}
    const { status, stdout } = await cluster.run(['tokens', 'add', '--type=node', '--format=text'])
    expect({ status, stdout }).toEqual({ status: 0, stdout: `${SECRET}\n` })
  })

  test('prints everything as JSON, and the same as YAML', async () => {
    const json = await cluster.run(['tokens', 'add', '--type=node', '--max-uses=2', '--format=json'])
    expect(JSON.parse(json.stdout)).toEqual({
      token: SECRET,
      id: 'abcdefghij',
      roles: ['node'],
      labels: {},
      description: '',
      bot_name: null,
      max_uses: 2,
      uses: 0,
      created_by: 'spiffe://muster.internal/user/alice',
      created_at: '2026-11-22T18:10:21.000Z',
      expires_at: '2026-11-22T18:40:21.000Z',
      ca_pins: [cluster.pin],
      auth_server: PUBLIC_ADDRESS,
    })
    const yaml = await cluster.run(['tokens', 'add', '--type=node', '--max-uses=2', '--format=yaml'])
    expect(parseYaml(yaml.stdout)).toEqual(JSON.parse(json.stdout))
  })

  test('prints a command that a shell takes as it stands, whatever the secret holds', async () => {
    const value = `it's $HOME; \`id\` & "x" \\ <*> #!`.replaceAll(' ', '_')
    const { stdout } = await cluster.run(['tokens', 'add', '--type=node,proxy', `--value=${value}`])
    const command = /\n(muster start [^]*?)\n\nPlease note/.exec(stdout)![1]!
    const script = path.join(cluster.dir, 'paste.sh')
    await writeFile(script, `muster() { printf '%s\\n' "$@"; }\n${command}\n`)
    expect(execFileSync('sh', [script], { encoding: 'utf8' })).toBe(
      `start\n--roles=node,proxy\n--token=${value}\n--ca-pin=${cluster.pin}\n--auth-server=${PUBLIC_ADDRESS}\n`,
    )
  })

  test('reads a secret of the operator from standard input', async () => {
    async function* stdin() {
      yield Buffer.from('from-standard-')
      yield Buffer.from('input\nsecond line')
    }
    await cluster.run(['tokens', 'add', '--type=node', '--value=-'], { stdin: stdin() })
    expect(asked[0]?.value).toBe('from-standard-input')
  })

  test('says in terms of its flags what the cluster refuses', async () => {
    cluster.answers.tokens = {
      createToken: async () => {
        throw new AppError('invalidArgument', 'ttl: must be between 1s and 2d', {
          field: 'ttl',
          reason: 'INVALID_FIELD',
        })
      },
    }
    const { status, stderr, stdout } = await cluster.run(['tokens', 'add', '--type=node', '--ttl=9d', '-v'])
    expect(stderr).toContain('musterctl: token-service refused --ttl: must be between 1s and 2d\n')
    expect(stderr).toContain('  kind: invalidArgument\n  reason: INVALID_FIELD\n')
    expect(stderr).toContain('caused by: 3 INVALID_ARGUMENT')
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  })

  test('makes no token if the pins cannot be read', async () => {
    cluster.answers.ca = {}
    const { status, stderr } = await cluster.run(['tokens', 'add', '--type=node'])
    expect(stderr).toContain('ca-service failed')
    expect({ status, asked }).toEqual({ status: 1, asked: [] })
  })
})

describe('tokens ls', () => {
  const pages: Record<string, token.ListTokensResponse> = {
    '': {
      tokens: [{ ...aToken, labels: { env: 'prod' }, uses: 2, maxUses: 5 }],
      nextPageToken: 'more',
    },
    more: {
      tokens: [
        { ...aToken, id: 'klmnopqrst', roles: ['node', 'proxy'], uses: 7, expiresAt: new Date('2026-12-24T18:00:00Z') },
      ],
      nextPageToken: '',
    },
  }
  beforeEach(() => {
    cluster.answers.tokens = { listTokens: async ({ pageToken }) => pages[pageToken]! }
  })

  test('lists every page, with uses and the time left', async () => {
    const { status, stdout } = await cluster.run(['tokens', 'ls'], { now: () => NOW })
    expect(stdout).toBe(
      [
        'Token id    Type        Labels    Uses  Expiry Time (UTC)',
        '----------  ----------  --------  ----  -------------------------------',
        'abcdefghij  node        env=prod  2/5   22 Nov 26 18:15 UTC (4m39s)',
        'klmnopqrst  node,proxy            7     24 Dec 26 18:00 UTC (31d23h)',
        '',
      ]
        .join('\n')
        .replace('-------------------------------', '-'.repeat('24 Dec 26 18:00 UTC (31d23h)'.length)),
    )
    expect(status).toBe(0)
  })

  test('shows descriptions if any token has one', async () => {
    pages.more!.tokens[0]!.description = 'the web tier'
    const { stdout } = await cluster.run(['tokens', 'ls'], { now: () => NOW })
    expect(stdout).toMatch(/Expiry Time \(UTC\) +Description\n/)
    expect(stdout).toMatch(/\(31d23h\) +the web tier\n/)
  })

  test('prints JSON and YAML with stable keys and no secret', async () => {
    const { stdout } = await cluster.run(['tokens', 'ls', '--format=json'])
    const found = JSON.parse(stdout) as Record<string, unknown>[]
    expect(found.map(({ id, max_uses: maxUses }) => [id, maxUses])).toEqual([
      ['abcdefghij', 5],
      ['klmnopqrst', null],
    ])
    expect(Object.keys(found[0]!)).not.toContain('token')
    const yaml = await cluster.run(['tokens', 'ls', '--format=yaml'])
    expect(parseYaml(yaml.stdout)).toEqual(found)
  })

  test('says so when there are none, and keeps standard output for data', async () => {
    cluster.answers.tokens = { listTokens: async () => ({ tokens: [], nextPageToken: '' }) }
    expect(await cluster.run(['tokens', 'ls'])).toEqual({ status: 0, stdout: '', stderr: 'No active tokens.\n' })
    expect(await cluster.run(['tokens', 'ls', '--format=json'])).toEqual({ status: 0, stdout: '[]\n', stderr: '' })
  })
})

describe('tokens rm', () => {
  beforeEach(() => {
    const ids = new Map([
      ['abcdefghij', 'abcdefghij'],
      ['2222222222', '2222222222'],
      [SECRET, 'abcdefghij'],
    ])
    cluster.answers.tokens = {
      revokeToken: async ({ idOrValue }) => {
        const id = ids.get(idOrValue)
        if (id === undefined) throw new AppError('notFound', 'no such token')
        return { token: { ...aToken, id } }
      },
    }
  })

  test('takes an id or a whole token, and prints the id, never the secret', async () => {
    const byId = await cluster.run(['tokens', 'rm', 'abcdefghij'])
    expect(byId).toEqual({ status: 0, stdout: 'Token abcdefghij has been deleted\n', stderr: '' })
    expect(await cluster.run(['tokens', 'del', SECRET])).toEqual(byId)
  })

  test('takes several, of which some may look like numbers', async () => {
    const { stdout } = await cluster.run(['tokens', 'rm', '2222222222', 'abcdefghij', '--format=json'])
    expect(JSON.parse(stdout)).toEqual([
      { id: '2222222222', deleted: true },
      { id: 'abcdefghij', deleted: true },
    ])
  })

  test('removes the others when one is not there, names it without its secret, and exits with 1', async () => {
    const { status, stdout, stderr } = await cluster.run([
      'tokens',
      'rm',
      'my-own-secret-value',
      'qqqqqqqqqq',
      'abcdefghij',
    ])
    expect(stdout).toBe('Token abcdefghij has been deleted\n')
    expect(stderr).toContain('no such token: argument 1 (not shown, since it may be a secret), qqqqqqqqqq\n')
    expect(stderr).not.toContain('my-own-secret-value')
    expect(status).toBe(1)
  })
})
