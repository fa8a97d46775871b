import { createPrivateKey, randomBytes } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { beforeAll, expect, test } from '@jest/globals'
import { agentDir, nodeIdOf, startAgent } from './harness/agent.ts'
import { useCluster } from './harness/cluster.ts'
import { dumpDatabase } from './harness/database-dump.ts'
import { joinDirectly } from './harness/joining.ts'
import type { Program } from './harness/program.ts'
import { waitFor } from './harness/waiting.ts'

const DEBUG = { MUSTER_LOG_LEVEL: 'debug' }

const cluster = useCluster({
  env: {
    'ca-service': { ...DEBUG, MUSTER_NODE_CERTIFICATE_TTL_SECONDS: '10' },
    'token-service': DEBUG,
    'registration-service': { ...DEBUG, MUSTER_HEARTBEAT_INTERVAL_MS: '500' },
  },
})

const tokens: string[] = []
const agents: Program[] = []

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

/** Everything that may go well and go wrong with secrets in hand. */
beforeAll(async () => {
  const { operator, services, restart } = cluster()
  const { value } = await makeToken({ maxUses: 3 })
  const first = await run({ name: 'canary', token: value })
  await nodeIdOf(first)
  await first.line(/renewed the certificate/)

  // Refusals of every kind, by agents and by bare calls.
  const own = await makeToken({ value: `own-${randomBytes(12).toString('hex')}`, roles: ['proxy'] })
  await (await run({ name: 'wrong-role', token: own.value })).exit()
  await expect(operator.makeToken({ value: own.value })).rejects.toThrow(/cannot be used/)
  const guess = `mtk_bbbbbbbbbb_${'b'.repeat(32)}`
  tokens.push(guess)
  await (await run({ name: 'unknown', token: guess })).exit()
  const revoked = await makeToken()
  await operator.tokens.revokeToken({ idOrValue: revoked.value })
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
}, 90_000)

/** Each secret under its name, in every form that it might be written in. */
async function secrets(): Promise<Map<string, string[]>> {
  const { dataDir, postgres, redis } = cluster()
  const found = new Map<string, string[]>()
  const add = (name: string, value: string) => {
    const bytes = Buffer.from(value)
    found.set(name, [value, bytes.toString('hex'), bytes.toString('base64').replace(/=+$/, '')])
  }
  tokens.forEach((token, i) => add(`token ${i}`, token))
  // The part of a token that is secret, wherever it were cut.
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
    const key = createPrivateKey(await readFile(path.join(folder, 'key.pem')))
    const der = key.export({ type: 'pkcs8', format: 'der' })
    const scalar = Buffer.from(key.export({ format: 'jwk' }).d!, 'base64url')
    found.set(`key of ${path.basename(folder)}`, [
      // The lines of the PEM body, which a log may break anew; the number itself in its usual forms.
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

test('no token, key, pepper or password is in any log of any process, at debug level too', async () => {
  const logs = new Map<string, string>()
  for (const program of ['ca-service', 'token-service', 'registration-service'] as const) {
    const log = await cluster().serviceLog(program)
    expect(log).toContain('"service.ready"')
    logs.set(program, log)
  }
  agents.forEach((agent) => logs.set(`agent ${agent.pid}`, agent.output()))
  logs.set('stores', cluster().storeLog.join('\n'))
  // There is something to look through: debug lines, errors of the stores, refusals.
  expect(logs.get('registration-service')).toMatch(/"level":"debug"/)
  expect(logs.get('registration-service')).toMatch(/"reason":"TOKEN_REVOKED"/)
  expect(cluster().storeLog.length).toBeGreaterThan(10)
  await expectNoSecretIn(logs)
})

test('no token, key, pepper or password is anywhere in the database', async () => {
  const dump = await dumpDatabase(cluster().db)
  expect(dump).toContain('token.tokens')
  expect(dump).toContain('canary')
  await expectNoSecretIn(new Map([['the database', dump]]))
})

test('no token, key, pepper or password is in what metrics and health say, nor in any process title', async () => {
  const texts = new Map<string, string>()
  for (const service of Object.values(cluster().services).flat()) {
    const metrics = await (await fetch(`http://${service.diagnosticsAddress}/metrics`)).text()
    expect(metrics).toContain('muster_rpc_duration_seconds')
    texts.set(`metrics of ${service.pid}`, metrics)
    if (process.platform !== 'linux') continue
    texts.set(`command line of ${service.pid}`, await readFile(`/proc/${service.pid}/cmdline`, 'utf8'))
    // Secrets go by file, so not even the environment has them.
    texts.set(`environment of ${service.pid}`, await readFile(`/proc/${service.pid}/environ`, 'utf8'))
  }
  await expectNoSecretIn(texts)
})

test('files that hold a secret are for their owner only', async () => {
  const { dataDir } = cluster()
  const folder = path.join(dataDir, 'secrets')
  const files = (await readdir(folder)).map((name) => path.join(folder, name))
  files.push(path.join(dataDir, 'operator', 'key.pem'), path.join(agentDir(cluster(), 'canary'), 'key.pem'))
  for (const file of files) expect([file, (await stat(file)).mode & 0o077]).toEqual([file, 0])
})

test('the search would find a secret that had leaked', async () => {
  const leaked = new Map([['a log', `somebody wrote ${tokens[0]!} here`]])
  await expect(expectNoSecretIn(leaked)).rejects.toThrow('token 0 in a log')
  const keyPem = await readFile(path.join(agentDir(cluster(), 'canary'), 'key.pem'), 'utf8')
  await expect(expectNoSecretIn(new Map([['a log', keyPem]]))).rejects.toThrow('key of canary in a log')
})
