import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { token } from '@muster/contracts'
import { AppError, NODE_ROLES, parseInvitation, refusal } from '@muster/domain'
import { testCluster } from '@muster/testkit'
import { parse as parseYaml } from 'yaml'
import { PUBLIC_ADDRESS, startTestCluster, type TestCluster } from '../../../test/support/cluster.ts'
import { aToken, NOW, SECRET } from '../../../test/support/data.ts'

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
        const { ttlSeconds, value, ...fields } = request
        const maxUses = request.maxUses ?? (request.botName === '' ? undefined : 1)
        const made = { ...aToken, ...fields, maxUses, expiresAt: new Date(NOW.getTime() + ttlSeconds * 1000) }
        return { token: made, value: value || SECRET }
      },
    },
  }
})

function bundle() {
  return { version: 1, clusterName: 'muster.internal', hostRootsDer: [cluster.hostRootDer], userRootsDer: [] }
}

/** What the printed command to paste runs: its first line, as a shell takes it apart. */
async function pasted(stdout: string, pattern: RegExp): Promise<string[]> {
  const script = path.join(cluster.dir, 'paste.sh')
  await writeFile(script, `muster() { printf '%s\\n' "$@"; }\n${pattern.exec(stdout)![1]!}\n`)
  return execFileSync('sh', [script], { encoding: 'utf8' }).trimEnd().split('\n')
}

describe('tokens add', () => {
  test('tokens add prints the token, its expiry, the commands to paste and notes', async () => {
    const { status, stdout, stderr } = await cluster.run(['tokens', 'add', '--type=node', '--ttl=5m'])
    expect(stderr).toBe('')
    expect(stdout).toBe(`The invite token: ${SECRET}
This token will expire in 5 minutes.

Run this on the new node to join the cluster:

muster start 'muster://${SECRET}@${PUBLIC_ADDRESS}?pins=${cluster.pin}&roles=node'

or the same flag by flag:

muster start \\
  --roles=node \\
  --token=${SECRET} \\
  --ca-pin=${cluster.pin} \\
  --auth-server=${PUBLIC_ADDRESS}

Please note:

  - This invitation token will expire in 5 minutes
  - ${PUBLIC_ADDRESS} must be reachable from the new node
  - It admits any number of nodes; --max-uses sets a limit
  - node: add --labels=env=prod to sort it by, and --nodename=NAME if its host name is not what you want on the roll; it calls out only, so open no port for it
  - The token is not shown again. Its id is abcdefghij
  - List who joined with it: musterctl tokens show abcdefghij
  - Revoke it: musterctl tokens rm abcdefghij
`)
    expect(status).toBe(0)
  })

  test('tokens add prints a hint for each type', async () => {
    const hints = new Set<string>()
    for (const role of NODE_ROLES) {
      const flags = role === 'bot' ? ['--bot-name=ci'] : []
      const { stdout } = await cluster.run(['tokens', 'add', `--type=${role}`, ...flags])
      const hint = new RegExp(`^ {2}- ${role}: (.*)$`, 'm').exec(stdout)?.[1]
      expect(hint).toMatch(/\w{3}/)
      hints.add(hint!)
      expect(parseInvitation(/muster start '(muster:.*)'/.exec(stdout)![1]!).roles).toEqual([role])
    }
    expect(hints.size).toBe(NODE_ROLES.length)
  })

  test('tokens add prints the hint of each of several types', async () => {
    const { stdout } = await cluster.run(['tokens', 'add', '--type=db,kube'])
    expect(stdout).toMatch(/\n {2}- db: .*\n {2}- kube: .*\n/)
  })

  test('tokens add for a bot says that it admits one instance, and names the bot', async () => {
    const { stdout } = await cluster.run(['tokens', 'add', '--type=bot', '--bot-name=ci'])
    expect(stdout).toContain('Run this on the new machine to join the cluster:')
    expect(stdout).toContain('  - It admits one instance of the bot ci; each other instance needs its own token\n')
    expect(stdout).toContain('/bot/ci')
  })

  test('tokens add prints the restrictions of a token and the labels of its nodes', async () => {
    const flags = ['--allow-cidr=10.0.0.0/8', '--allow-hostname=WEB-*', '--node-labels=env=prod']
    const { stdout } = await cluster.run(['tokens', 'add', '--type=node', ...flags])
    expect(stdout).toContain('  - It admits nodes from these networks only: 10.0.0.0/8\n')
    expect(stdout).toContain('  - It admits these host names only: web-*\n')
    expect(stdout).toContain('  - Nodes that join with it carry the labels env=prod\n')
  })

  test('tokens add prints the command to paste in bold on a terminal only', async () => {
    const stdout = { isTTY: true, columns: 100, write: () => {} }
    const ran = await cluster.run(['tokens', 'add', '--type=node'], { stdout })
    expect(ran.stdout).toContain("\u001b[1mmuster start 'muster://")
    expect((await cluster.run(['tokens', 'add', '--type=node'])).stdout).not.toContain('\u001b')
  })

  test('tokens add prints a pin for each root while an authority is being replaced', async () => {
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

  test('tokens add sends every flag', async () => {
    const flags = [
      '--max-uses=3',
      '--labels=env=prod,team=web',
      '--node-labels=zone=a',
      '--description=the web tier',
      '--value=correct-horse-battery',
      '--allow-cidr=10.0.0.0/8,192.0.2.7',
      '--allow-cidr=2001:db8::/32',
      '--allow-hostname',
      'Web-*',
      '--allow-hostname=db-?',
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
        restrictions: {
          allowCidrs: ['10.0.0.0/8', '192.0.2.7/32', '2001:db8::/32'],
          allowHostnames: ['web-*', 'db-?'],
        },
        nodeLabels: { zone: 'a' },
      },
    ])
  })

  test('tokens add --format=text prints the token alone, without calling ca-service', async () => {
    cluster.answers.ca = {}
    const { status, stdout } = await cluster.run(['tokens', 'add', '--type=node', '--format=text'])
    expect({ status, stdout }).toEqual({ status: 0, stdout: `${SECRET}\n` })
  })

  test('tokens add prints everything as JSON, and the same as YAML', async () => {
    const json = await cluster.run(['tokens', 'add', '--type=node', '--max-uses=2', '--format=json'])
    expect(JSON.parse(json.stdout)).toEqual({
      token: SECRET,
      invitation: `muster://${SECRET}@${PUBLIC_ADDRESS}?pins=${cluster.pin}&roles=node`,
      id: 'abcdefghij',
      type: 'join',
      state: 'live',
      name: null,
      roles: ['node'],
      labels: {},
      description: '',
      bot_name: null,
      user_name: null,
      max_uses: 2,
      uses: 0,
      uses_left: 2,
      allow_cidrs: [],
      allow_hostnames: [],
      node_labels: {},
      created_by: 'spiffe://muster.internal/user/alice',
      created_at: '2026-11-22T18:10:21.000Z',
      expires_at: '2026-11-22T18:40:21.000Z',
      revoked_at: null,
      ca_pins: [cluster.pin],
      auth_server: PUBLIC_ADDRESS,
    })
    const yaml = await cluster.run(['tokens', 'add', '--type=node', '--max-uses=2', '--format=yaml'])
    expect(parseYaml(yaml.stdout)).toEqual(JSON.parse(json.stdout))
  })

  test('tokens add prints commands that a shell accepts unchanged, whatever the secret contains', async () => {
    const value = `it's $HOME; \`id\` & "x" \\ <*> #!@/?`.replaceAll(' ', '_')
    const { stdout } = await cluster.run(['tokens', 'add', '--type=node,proxy', `--value=${value}`])
    const [start, invitation] = await pasted(stdout, /\n(muster start .*)\n\nor /)
    expect(start).toBe('start')
    expect(parseInvitation(invitation!)).toEqual({
      address: PUBLIC_ADDRESS,
      token: value,
      caPins: [cluster.pin],
      roles: ['node', 'proxy'],
    })
    expect(await pasted(stdout, /flag by flag:\n\n([^]*?)\n\nPlease note/)).toEqual([
      'start',
      '--roles=node,proxy',
      `--token=${value}`,
      `--ca-pin=${cluster.pin}`,
      `--auth-server=${PUBLIC_ADDRESS}`,
    ])
  })

  test('tokens add reads a secret of the operator from standard input', async () => {
    async function* stdin() {
      yield Buffer.from('from-standard-')
      yield Buffer.from('input\nsecond line')
    }
    await cluster.run(['tokens', 'add', '--type=node', '--value=-'], { stdin: stdin() })
    expect(asked[0]?.value).toBe('from-standard-input')
  })

  test('tokens add names the flag that the cluster refused, as bad usage', async () => {
    cluster.answers.tokens = {
      createToken: async () => {
        throw refusal('INVALID_FIELD', 'ttl: must be between 1s and 2d', { field: 'ttl' })
      },
    }
    const { status, stderr, stdout } = await cluster.run(['tokens', 'add', '--type=node', '--ttl=9d', '-v'])
    expect(stderr).toContain('musterctl: token-service refused --ttl: must be between 1s and 2d\n')
    expect(stderr).toContain("'musterctl tokens add --help' shows how it is used.\n")
    expect(stderr).toContain('  status: INVALID_ARGUMENT\n')
    expect(stderr).toContain('  reason: INVALID_FIELD\n')
    expect(stderr).toContain('caused by: 3 INVALID_ARGUMENT')
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  })

  test('tokens add prints how long to wait if the cluster says so', async () => {
    cluster.answers.tokens = {
      createToken: async () => {
        throw new AppError('resourceExhausted', 'too many calls', { retryAfterMs: 11_200 })
      },
    }
    const { status, stderr } = await cluster.run(['tokens', 'add', '--type=node'])
    expect(stderr).toBe('musterctl: token-service cannot do this now: too many calls\nTry again in 12s.\n')
    expect(status).toBe(1)
  })

  test('tokens add creates no token if the pins cannot be read', async () => {
    cluster.answers.ca = {}
    const { status, stderr } = await cluster.run(['tokens', 'add', '--type=node'])
    expect(stderr).toContain('ca-service failed')
    expect({ status, asked }).toEqual({ status: 1, asked: [] })
  })
})

describe('nodes add', () => {
  test('nodes add does the same as tokens add', async () => {
    const older = await cluster.run(['nodes', 'add', '--ttl=5m', '--roles=proxy', '--max-uses=2'])
    const newer = await cluster.run(['tokens', 'add', '--ttl=5m', '--type=proxy', '--max-uses=2'])
    expect(older).toEqual(newer)
    expect(asked[0]).toEqual(asked[1])
    expect(asked[0]).toMatchObject({ roles: ['proxy'], ttlSeconds: 300, maxUses: 2 })
  })

  test('nodes add creates a token for nodes by default, in every format', async () => {
    const { stdout } = await cluster.run(['nodes', 'add', '--format=json'])
    expect(JSON.parse(stdout)).toMatchObject({ token: SECRET, roles: ['node'] })
    expect((await cluster.run(['nodes', 'add', '--format=text'])).stdout).toBe(`${SECRET}\n`)
  })

  test('nodes add names its own flag in errors', async () => {
    const { status, stderr } = await cluster.run(['nodes', 'add', '--roles=nod'])
    expect(stderr).toContain('musterctl: --roles: "nod" is not known; valid values: ')
    expect(status).toBe(2)
  })
})
