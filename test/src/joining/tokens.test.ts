import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from '@jest/globals'
import { agentDir, nodeIdOf, startAgent, type AgentOptions } from '../harness/agent.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { joinDirectly } from '../harness/joining.ts'
import { auditEvents, musterctl, musterctlJson } from '../harness/musterctl.ts'
import { processesOf } from '../harness/processes.ts'
import { startProgram, type Program } from '../harness/program.ts'
import { programFile } from '../harness/programs.ts'
import { runTool } from '../harness/tool.ts'
import { waitFor } from '../harness/waiting.ts'

// Variables added here apply from the next restart of token-service.
const tokenServiceEnv: Record<string, string> = {}
const cluster = useCluster({
  replicas: { 'token-service': 2 },
  // All callers come from one address and must get the reason of their refusal.
  env: { 'token-service': tokenServiceEnv, 'registration-service': { MUSTER_REFUSED_JOINS_PER_MINUTE: '1000' } },
})

interface MadeToken {
  id: string
  token: string
  invitation: string
}

interface ShownToken {
  id: string
  type: string
  state: string
  uses: number
  uses_left: number | null
  expires_at: string | null
  nodes: { id: string; hostname: string; address: string; joined_at: string }[]
}

function addToken(...flags: string[]): Promise<MadeToken> {
  return musterctlJson<MadeToken>(cluster(), ['tokens', 'add', '--type=node', ...flags])
}

function show(id: string): Promise<ShownToken> {
  return musterctlJson<ShownToken>(cluster(), ['tokens', 'show', id])
}

async function refusedAgent(options: AgentOptions): Promise<string> {
  const agent = await startAgent(cluster(), options)
  expect([await agent.exit(), agent.output()]).toEqual([3, expect.any(String)])
  return agent.output()
}

async function joinedAgent(options: AgentOptions): Promise<string> {
  const agent = await startAgent(cluster(), options)
  const nodeId = await nodeIdOf(agent)
  expect(await agent.stop()).toBe(0)
  return nodeId
}

/** True once every replica of token-service has given this answer about the token. */
async function saidByAll(event: string, id: string): Promise<boolean> {
  const log = await cluster().serviceLog('token-service')
  const said = (pid: number) => new RegExp(`"pid":${pid},.*"${event}".*"tokenId":"${id}"`).test(log)
  return cluster().services['token-service'].every(({ pid }) => said(pid))
}

/** The reasons why joins were refused, 8 at once, so that both replicas of token-service are asked; empty for those that got in. */
async function join8(token: string): Promise<string[]> {
  const joins = Array.from({ length: 8 }, () => joinDirectly(cluster(), { token }))
  const settled = await Promise.allSettled(joins)
  return settled.map((join) => (join.status === 'fulfilled' ? '' : (join.reason as { reason: string }).reason))
}

test('a token that is revoked at one replica of token-service is rejected by the other at once', async () => {
  const { value, id } = await cluster().operator.makeToken()
  // registration-service may take a while to connect to the replicas.
  const joinUntilAll = async (event: string): Promise<string[]> => {
    const outcomes: string[] = []
    await waitFor(`${event} at both replicas`, async () => {
      outcomes.push(...(await join8(value)))
      return saidByAll(event, id)
    })
    return outcomes
  }
  const admitted = await joinUntilAll('token.spent')
  expect(new Set(admitted)).toEqual(new Set(['']))
  // musterctl knows only the first replica.
  expect(await musterctl(cluster(), ['tokens', 'rm', id])).toMatchObject({ status: 0 })
  expect(new Set(await joinUntilAll('token.refused'))).toEqual(new Set(['TOKEN_REVOKED']))
  // Nodes that have joined stay.
  expect((await cluster().operator.roll()).filter(({ tokenId }) => tokenId === id)).toHaveLength(admitted.length)
})

test.each([
  ['allow-cidr', '203.0.113.0/24,2001:db8::/32', 'any-name'],
  ['allow-hostname', 'web-??.example', 'web-1.example'],
])(
  'a machine that --%s keeps out is not told why, and the audit records the reason',
  async (restriction, allowed, name) => {
    const { id, token } = await addToken(`--${restriction}=${allowed}`)
    const output = await refusedAgent({ name, token })
    expect(output).toContain('TOKEN_RESTRICTED')
    expect(output).not.toMatch(/cidr|203\.0|web-\?\?|--allow|host ?name/i)
    expect(await auditEvents(cluster(), `--token=${id}`, '--outcome=refused')).toEqual([
      expect.objectContaining({
        action: 'node.join',
        reason: 'TOKEN_RESTRICTED',
        details: expect.objectContaining({ restriction, hostname: name }),
      }),
    ])
    expect(await show(id)).toMatchObject({ uses: 0, nodes: [] })
  },
)

test('a machine that meets the restrictions of a token joins, gets the labels of the token, and is listed with it', async () => {
  const { id, token } = await addToken(
    '--allow-cidr=127.0.0.0/8',
    '--allow-hostname=DB-*,web-??.example',
    '--max-uses=2',
    '--node-labels=env=production,zone=a',
  )
  const own = ['--labels=env=mine,rack=7']
  const first = await joinedAgent({ name: 'web-12.example', token, flags: own })
  const second = await joinedAgent({ name: 'db-main', token })
  expect(await refusedAgent({ name: 'db-other', token })).toContain('TOKEN_USED_UP')

  expect(await show(id)).toMatchObject({
    state: 'used_up',
    uses: 2,
    uses_left: 0,
    nodes: [
      { id: second, hostname: 'db-main', address: '127.0.0.1' },
      { id: first, hostname: 'web-12.example', address: '127.0.0.1' },
    ],
  })
  const nodes = await musterctlJson<unknown[]>(cluster(), ['nodes', 'ls', `--token=${id}`])
  expect(nodes).toEqual([
    expect.objectContaining({
      id: second,
      token_id: id,
      labels: { env: 'production', hostname: 'db-main', zone: 'a' },
    }),
    expect.objectContaining({
      id: first,
      token_id: id,
      labels: { env: 'production', hostname: 'web-12.example', zone: 'a', rack: '7' },
    }),
  ])
})

test('a token that was extended before its end admits after it', async () => {
  // Long enough to extend the first before it ends, also on a busy machine.
  const { id, token } = await addToken('--ttl=8s')
  const other = await addToken('--ttl=8s')
  const { status, stdout } = await musterctl(cluster(), ['tokens', 'extend', id, '--ttl=10m'])
  expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringContaining(id) })
  await waitFor('the end of the other', async () => (await show(other.id)).state === 'expired')
  expect((await join8(other.token)).at(0)).toBe('TOKEN_EXPIRED')
  expect((await join8(token)).at(0)).toBe('')
})

test('the invitation that nodes add prints is enough to join, pasted with its quotes', async () => {
  const added = await musterctl(cluster(), ['nodes', 'add', '--roles=node,proxy', '--ttl=5m'])
  expect(added).toMatchObject({ status: 0, stderr: '' })
  const line = /^muster start 'muster:.*$/m.exec(added.stdout)![0]
  // The words that a shell makes of the line.
  const { stdout: words } = await runTool('sh', ['-c', `muster() { printf '%s\\n' "$@"; }\n${line}`])
  const args = [...words.trimEnd().split('\n'), `--data-dir=${agentDir(cluster(), 'invited')}`, '--nodename=invited']
  const agent = startProgram(cluster().life, programFile('muster'), args)
  const nodeId = await nodeIdOf(agent)
  await agent.line(/ online$/)
  expect((await cluster().operator.roll()).find(({ id }) => id === nodeId)).toMatchObject({
    hostname: 'invited',
    roles: ['node', 'proxy'],
  })
  expect(await agent.stop()).toBe(0)
  expect(agent.output()).not.toContain(/mtk_[a-z2-7_]+/.exec(line)![0])
})

test('muster start --oneshot writes credentials, prints where they are, and leaves no process', async () => {
  const { invitation } = await addToken('--max-uses=1')
  const folder = agentDir(cluster(), 'job')
  const args = ['start', invitation, '--oneshot', `--data-dir=${folder}`, '--nodename=job']
  const job = startProgram(cluster().life, programFile('muster'), args)
  expect([await job.exit(), job.output()]).toEqual([0, expect.any(String)])
  expect(job.output()).toContain(folder)
  for (const name of ['key.pem', 'chain.pem', 'bundle.pem']) {
    expect(await readFile(path.join(folder, name), 'utf8')).toMatch(/^-----BEGIN /)
  }
  expect(processesOf(folder)).toEqual([])
})

/** Has both replicas of token-service start with this configuration. */
async function configure(text: string): Promise<string> {
  const file = path.join(cluster().dataDir, 'token-service.yaml')
  await writeFile(file, text)
  tokenServiceEnv['MUSTER_CONFIG_FILE'] = file
  for (const replica of [0, 1]) await cluster().restart('token-service', replica)
  return file
}

test('static tokens admit by value and by file, changes of the file take effect, and no command removes one', async () => {
  const tokenFile = path.join(cluster().dataDir, 'static-token')
  await writeFile(tokenFile, 'first-value-of-the-file\n', { mode: 0o600 })
  const configured = await configure(
    `tokens:\n  - "node,proxy:static-value-in-the-file"\n  - "node:./${path.basename(tokenFile)}"\n`,
  )
  await cluster().healthy()
  expect(await join8('static-value-in-the-file')).toEqual(Array(8).fill(''))
  expect(await join8('first-value-of-the-file')).toEqual(Array(8).fill(''))

  const listed = await musterctlJson<{ id: string; type: string; created_by: string; expires_at: null }[]>(cluster(), [
    'tokens',
    'ls',
    '--type=node',
  ])
  const isStatic = listed.filter(({ type }) => type === 'static')
  expect(isStatic.map(({ expires_at }) => expires_at)).toEqual([null, null])
  const lines = [`${configured}:2`, `${configured}:3`]
  expect(isStatic.map(({ created_by }) => created_by).sort()).toEqual(lines)
  const { status, stderr } = await musterctl(cluster(), ['tokens', 'rm', isStatic[0]!.id])
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(isStatic[0]!.created_by) })

  await writeFile(tokenFile, 'second-value-of-the-file\n', { mode: 0o600 })
  await waitFor('both replicas to have read it', async () => {
    const log = await cluster().serviceLog('token-service')
    return log.split('\n').filter((line) => line.includes('"token.static-reload"')).length === 2
  })
  expect(await join8('second-value-of-the-file')).toEqual(Array(8).fill(''))
  expect(await join8('first-value-of-the-file')).toEqual(Array(8).fill('TOKEN_REVOKED'))
})

test('token-service with a broken configuration exits with 2 and explains each bad line', async () => {
  const { dataDir, profile } = cluster()
  const file = path.join(dataDir, 'broken.yaml')
  const lines = [
    'tokens:',
    '  - "node:good-value-of-a-token"',
    '  - "wizard:good-value-of-another"',
    '  - "bot:good-value-of-a-third"',
    '  - "node:too-short"',
    '  - "node:/nowhere/at/all"',
    '  - "node:good-value-of-a-token"',
    'colour: blue',
  ]
  await writeFile(file, lines.join('\n'))
  const secret = (name: string) => path.join(dataDir, 'secrets', name)
  const env = {
    MUSTER_LISTEN_ADDR: '127.0.0.1:0',
    MUSTER_DIAGNOSTICS_ADDR: '127.0.0.1:0',
    MUSTER_DATABASE_URL_FILE: secret('muster_token-database-url'),
    MUSTER_CA_ADDRS: profile.addresses.ca,
    MUSTER_CA_PINS: profile.caPins.join(','),
    MUSTER_ENROLL_TOKEN_FILE: secret('token-service-enroll-token'),
    MUSTER_PEPPER_FILE: secret('token-pepper'),
    MUSTER_REGISTRATION_ADDRS: profile.addresses.registration,
  }
  const start = (extra: Record<string, string>, ...args: string[]): Program =>
    startProgram(cluster().life, programFile('token-service'), args, { ...env, ...extra })
  // It has no other fault.
  expect(await start({}, '--check-config').exit()).toBe(0)
  const service = start({ MUSTER_CONFIG_FILE: file })
  expect([await service.exit(), service.output()]).toEqual([2, expect.any(String)])
  const named = [...service.output().matchAll(new RegExp(`${file}:(\\d+): `, 'g'))].map(([, line]) => Number(line))
  expect([...new Set(named)]).toEqual([3, 4, 5, 6, 7, 8])
  expect(service.output()).not.toMatch(/good-value|too-short/)
})
