import { createPrivateKey, randomBytes } from 'node:crypto'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { beforeAll, expect, test } from '@jest/globals'
import { agentDir, nodeIdOf, renewable, startAgent } from '../harness/agent.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { dumpDatabase } from '../harness/database-dump.ts'
import { joinDirectly } from '../harness/joining.ts'
import { invitePerson, newDesk, type Desk } from '../harness/login.ts'
import { musterctl, musterctlJson } from '../harness/musterctl.ts'
import { musterctlHere } from '../harness/musterctl-here.ts'
import { commandLine } from '../harness/processes.ts'
import type { Program } from '../harness/program.ts'
import type { ToolResult } from '../harness/tool.ts'
import { waitFor } from '../harness/waiting.ts'

const DEBUG = { MUSTER_LOG_LEVEL: 'debug' }
// Variables added here apply from the next restart of token-service.
const tokenServiceEnv: Record<string, string> = { ...DEBUG }

const cluster = useCluster({
  env: {
    'ca-service': { ...DEBUG, MUSTER_NODE_CERTIFICATE_TTL_SECONDS: '10', MUSTER_BOT_CERTIFICATE_TTL_SECONDS: '10' },
    'token-service': tokenServiceEnv,
    'registration-service': {
      ...DEBUG,
      MUSTER_HEARTBEAT_INTERVAL_MS: '500',
      // All callers come from one address and must get the reason of their refusal.
      MUSTER_REFUSED_JOINS_PER_MINUTE: '1000',
    },
  },
})

const tokens: string[] = []
const agents: Program[] = []
/** Private keys, PEM, by their owner. */
const keys = new Map<string, string>()
/** The output of musterctl, except where a secret is shown once. */
const printed = new Map<string, string>()
const titles = new Map<string, string>()
let desk: Desk

function run(options: Parameters<typeof startAgent>[1]): Promise<Program> {
  return startAgent(cluster(), options).then((agent) => {
    agents.push(agent)
    return agent
  })
}

async function makeToken(wanted: Parameters<ReturnType<typeof cluster>['operator']['makeToken']>[0] = {}) {
  const made = await cluster().operator.makeToken(wanted)
  tokens.push(made.value)
  return made
}

async function keep(what: string, result: Promise<ToolResult>, status = 0): Promise<string> {
  const { stdout, stderr, ...ended } = await result
  expect([what, stderr, ended.status]).toEqual([what, stderr, status])
  printed.set(`musterctl ${what}`, stdout + stderr)
  return stdout
}

function title(agent: Program): void {
  if (process.platform === 'linux') titles.set(`title of agent ${agent.pid}`, commandLine(agent.pid))
}

/** Static tokens, tokens of documents, and custom values. */
async function useChosenTokens(): Promise<void> {
  const { dataDir, restart } = cluster()
  const file = (name: string) => path.join(dataDir, name)
  const chosen = ['static', 'static-file', 'document', 'value-flag'].map((name) => {
    const value = `${name}-${randomBytes(12).toString('hex')}`
    tokens.push(value)
    return value
  })
  await writeFile(file('static-token'), chosen[1]!, { mode: 0o600 })
  await writeFile(file('static.yaml'), `tokens:\n  - "node:${chosen[0]}"\n  - "node:./static-token"\n`, { mode: 0o600 })
  tokenServiceEnv['MUSTER_CONFIG_FILE'] = file('static.yaml')
  await restart('token-service', 0)
  await writeFile(file('document-token'), chosen[2]!, { mode: 0o600 })
  const document =
    'kind: token\nmetadata: { name: canary-document }\nspec: { roles: [node], value_file: document-token }\n'
  await writeFile(file('document.yaml'), document)
  await keep('create', musterctl(cluster(), ['create', '-f', file('document.yaml')]))
  const added = await musterctl(cluster(), ['tokens', 'add', '--type=node', '--value=-', '--format=json'], {
    input: chosen[3]!,
  })
  expect(added.status).toBe(0)
  for (const token of chosen) {
    await waitFor(`a join by ${token}`, () => joinDirectly(cluster(), { token }))
    await expect(joinDirectly(cluster(), { token, hostname: '..' })).rejects.toThrow(/hostname/)
  }
}

/** An invitation, and a bot that gets a key, prepares the next one, and then uses it. */
async function useInvitations(): Promise<void> {
  const invite = async (...flags: string[]) => {
    const made = await musterctlJson<{ token: string; invitation: string }>(cluster(), ['tokens', 'add', ...flags])
    tokens.push(made.token)
    return made.invitation
  }
  const node = await run({ name: 'invited', invitation: await invite('--type=node') })
  await nodeIdOf(node)
  title(node)
  await node.stop()
  const bot = await invite('--type=bot', '--bot-name=canary-bot')
  const folder = agentDir(cluster(), 'bot')
  for (const generation of [1, 2]) {
    const job = await run({ name: 'bot', invitation: bot, flags: ['--oneshot'] })
    expect([await job.exit(), job.output()]).toEqual([0, expect.any(String)])
    await renewable(folder)
    keys.set(`key of the bot's generation ${generation}`, await readFile(path.join(folder, 'key.pem'), 'utf8'))
  }
  expect(new Set(keys.values()).size).toBe(keys.size)
  const copied = await run({ name: 'other-bot', invitation: bot })
  expect(await copied.exit()).toBe(3)
}

/** People who sign up, fail to, and are reset. */
async function useSignups(): Promise<void> {
  const tokenOf = (flags: string[]) => flags.find((flag) => flag.startsWith('--token='))!.slice('--token='.length)
  const login = await invitePerson(cluster(), 'canary-person', 'operator')
  tokens.push(tokenOf(login))
  desk = await newDesk(cluster())
  const asSomebodyElse = login.map((flag) => (flag.startsWith('--user=') ? '--user=somebody-else' : flag))
  await keep('login as somebody else', desk.musterctl(['login', ...asSomebodyElse]), 1)
  await keep('login', desk.musterctl(['login', ...login]))
  keys.set('key of the person', await readFile(path.join(desk.identityDir, 'key.pem'), 'utf8'))
  const added = await invitePerson(cluster(), 'canary-invited', 'viewer')
  tokens.push(tokenOf(added))
  const { token } = await musterctlJson<{ token: string }>(cluster(), ['users', 'reset', 'canary-invited'])
  tokens.push(token)
  await keep('tokens rm of a signup token', desk.musterctl(['tokens', 'rm', token]))
  await expect(joinDirectly(cluster(), { token })).rejects.toMatchObject({ reason: 'TOKEN_WRONG_TYPE' })
}

/** Every success and failure that handles a secret. */
beforeAll(async () => {
  const { operator, services, restart } = cluster()
  const { value } = await makeToken({ maxUses: 3 })
  const first = await run({ name: 'canary', token: value })
  await nodeIdOf(first)
  await first.line(/renewed the certificate/)
  title(first)
  await useChosenTokens()
  await useInvitations()
  await useSignups()

  // Refusals of every kind, by agents and by bare calls.
  const own = await makeToken({ value: `own-${randomBytes(12).toString('hex')}`, roles: ['proxy'] })
  await (await run({ name: 'wrong-role', token: own.value })).exit()
  await expect(operator.makeToken({ value: own.value })).rejects.toThrow(/cannot be used/)
  const guess = `mtk_bbbbbbbbbb_${'b'.repeat(32)}`
  tokens.push(guess)
  await (await run({ name: 'unknown', token: guess })).exit()
  const revoked = await makeToken()
  await keep('tokens rm', musterctl(cluster(), ['tokens', 'rm', revoked.value]))
  await keep('audit ls of a token', musterctl(cluster(), ['audit', 'ls', `--token=${revoked.value}`]))
  await (await run({ name: 'revoked', token: revoked.value })).exit()
  await expect(operator.tokens.revokeToken({ idOrValue: guess })).rejects.toThrow()
  await expect(joinDirectly(cluster(), { token: value, hostname: '../../etc' })).rejects.toThrow(/hostname/)
  await expect(joinDirectly(cluster(), { token: 'x'.repeat(70_000) })).rejects.toThrow()

  // Failures, which log errors with their causes: a dependency that is gone, a database that is gone.
  services['token-service'][0]!.kill('SIGKILL')
  await expect(joinDirectly(cluster(), { token: value })).rejects.toThrow()
  await restart('token-service', 0)
  await cluster().redis.stop()
  cluster().postgres.kill('SIGQUIT')
  await cluster().postgres.exited
  await expect(joinDirectly(cluster(), { token: value })).rejects.toThrow()
  await cluster().startRedisAgain()
  await cluster().startPostgresAgain()
  await waitFor('a join', () => joinDirectly(cluster(), { token: value }))
  await first.stop()
})

/** Each secret under its name, in every form that it might be written in. */
async function secrets(): Promise<Map<string, string[]>> {
  const { dataDir, postgres, redis } = cluster()
  const found = new Map<string, string[]>()
  const add = (name: string, value: string) => {
    const bytes = Buffer.from(value)
    found.set(name, [value, bytes.toString('hex'), bytes.toString('base64').replace(/=+$/, '')])
  }
  tokens.forEach((token, i) => add(`token ${i}`, token))
  // The secret part of a token, at every cut.
  tokens.forEach((token, i) => add(`secret of token ${i}`, token.split('_').at(-1)!))
  for (const name of await readdir(path.join(dataDir, 'secrets'))) {
    const content = (await readFile(path.join(dataDir, 'secrets', name), 'utf8')).trim()
    add(name, content)
    if (/^[0-9a-f]{64}$/.test(content)) {
      found.get(name)!.push(Buffer.from(content, 'hex').toString('base64').replace(/=+$/, ''))
    }
  }
  add('password of Postgres', postgres.adminPassword)
  add('password of Redis', new URL(redis.url).password)
  for (const folder of [agentDir(cluster(), 'canary'), path.join(dataDir, 'operator')]) {
    keys.set(`key of ${path.basename(folder)}`, await readFile(path.join(folder, 'key.pem'), 'utf8'))
  }
  for (const [name, keyPem] of keys) {
    const key = createPrivateKey(keyPem)
    const der = key.export({ type: 'pkcs8', format: 'der' })
    const scalar = Buffer.from(key.export({ format: 'jwk' }).d!, 'base64url')
    found.set(name, [
      // The lines of the PEM body, which a log may wrap; the number itself in its usual forms.
      ...der.toString('base64').match(/.{40}/g)!.slice(1),
      ...['hex', 'base64', 'base64url'].map((form) => scalar.toString(form as BufferEncoding).replace(/=+$/, '')),
    ])
  }
  // Keys that live in memory only, or sealed in the database, show themselves by their form (PKCS#8 of a P-256 key).
  found.set('some private key', ['PRIVATE KEY', 'MIGHAgEAMBMGByqGSM49', '308187020100301306072a8648ce3d'])
  return found
}

async function expectNoSecretIn(texts: Map<string, string>): Promise<void> {
  const leaks: string[] = []
  for (const [secret, forms] of await secrets()) {
    for (const [name, text] of texts) {
      if (forms.some((form) => text.toLowerCase().includes(form.toLowerCase()))) leaks.push(`${secret} in ${name}`)
    }
  }
  expect(leaks).toEqual([])
}

test('no process writes a token, key, pepper or password to its log, at debug level either', async () => {
  const logs = new Map<string, string>()
  for (const program of ['ca-service', 'token-service', 'registration-service'] as const) {
    const log = await cluster().serviceLog(program)
    expect(log).toContain('"service.ready"')
    logs.set(program, log)
  }
  agents.forEach((agent) => logs.set(`agent ${agent.pid}`, agent.output()))
  logs.set('stores', cluster().storeLog.join('\n'))
  // The search has enough to look through: debug lines, errors of the stores, refusals.
  expect(logs.get('registration-service')).toMatch(/"level":"debug"/)
  expect(logs.get('registration-service')).toMatch(/"reason":"TOKEN_REVOKED"/)
  expect(cluster().storeLog.length).toBeGreaterThan(10)
  await expectNoSecretIn(logs)
})

test('the database holds no token, key, pepper or password in clear', async () => {
  const dump = await dumpDatabase(cluster().db)
  expect(dump).toContain('token.tokens')
  expect(dump).toContain('canary')
  await expectNoSecretIn(new Map([['the database', dump]]))
})

test('metrics, health and process titles show no token, key, pepper or password', async () => {
  const texts = new Map(titles)
  for (const service of Object.values(cluster().services).flat()) {
    const metrics = await (await fetch(`http://${service.diagnosticsAddress}/metrics`)).text()
    expect(metrics).toContain('muster_rpc_duration_seconds')
    texts.set(`metrics of ${service.pid}`, metrics)
    if (process.platform !== 'linux') continue
    texts.set(`command line of ${service.pid}`, await readFile(`/proc/${service.pid}/cmdline`, 'utf8'))
    // Services read secrets from files, so the environment has none.
    texts.set(`environment of ${service.pid}`, await readFile(`/proc/${service.pid}/environ`, 'utf8'))
  }
  await expectNoSecretIn(texts)
})

const FORMATS = ['text', 'json', 'yaml']

test('musterctl and the audit show no token and no key, in any format', async () => {
  const listed = (...flags: string[]) =>
    musterctlJson<{ id: string; type: string; bot_name: string | null }[]>(cluster(), ['tokens', 'ls', ...flags])
  const kinds = new Map<string, string>()
  for (const { id, type, bot_name: bot } of [...(await listed()), ...(await listed('--expired'))]) {
    kinds.set(bot === null ? type : 'bot', id)
  }
  expect([...kinds.keys()].sort()).toEqual(['bot', 'join', 'signup', 'static'])
  const asOperator = [
    ...[...kinds.values(), 'canary-document'].map((id) => ['tokens', 'show', id]),
    ['tokens', 'ls'],
    ['tokens', 'ls', '--expired'],
    ['nodes', 'ls'],
    ['bots', 'ls'],
    ['users', 'ls'],
    ['audit', 'ls', '--limit=10000'],
    ['get', 'tokens'],
    ['get', 'nodes'],
    ['get', 'users'],
    ['status'],
  ]
  const atDesk = [['whoami'], ['clusters', 'ls']]
  for (const format of FORMATS.map((name) => `--format=${name}`)) {
    for (const args of asOperator) await keep([...args, format].join(' '), musterctlHere(cluster(), [...args, format]))
    for (const args of atDesk) await keep([...args, format].join(' '), desk.musterctl([...args, format]))
  }
  const all = [...printed.values()].join()
  for (const canary of ['canary-document', 'canary-bot', 'canary-person', 'user.signup', 'bot.renew', 'static.yaml']) {
    expect(all).toContain(canary)
  }
  await expectNoSecretIn(printed)
})

test('files that hold a secret can be read by their owner only', async () => {
  const { dataDir } = cluster()
  const folder = path.join(dataDir, 'secrets')
  const files = (await readdir(folder)).map((name) => path.join(folder, name))
  files.push(path.join(dataDir, 'operator', 'key.pem'), path.join(agentDir(cluster(), 'canary'), 'key.pem'))
  files.push(path.join(agentDir(cluster(), 'bot'), 'key.pem'), path.join(desk.identityDir, 'key.pem'))
  for (const file of files) expect([file, (await stat(file)).mode & 0o077]).toEqual([file, 0])
})

test('the search for secrets finds a secret that leaked', async () => {
  const leaked = new Map([['a log', `somebody wrote ${tokens[0]!} here`]])
  await expect(expectNoSecretIn(leaked)).rejects.toThrow('token 0 in a log')
  const keyPem = await readFile(path.join(agentDir(cluster(), 'canary'), 'key.pem'), 'utf8')
  await expect(expectNoSecretIn(new Map([['a log', keyPem]]))).rejects.toThrow('key of canary in a log')
})
