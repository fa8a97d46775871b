import { createServer, type AddressInfo } from 'node:net'
import { expect, test } from '@jest/globals'
import { startAgent, type AgentOptions } from '../harness/agent.ts'
import { useSharedCluster } from '../harness/use-cluster.ts'
import { joinDirectly } from '../harness/joining.ts'
import { waitFor } from '../harness/waiting.ts'

const cluster = useSharedCluster()
let count = 0

async function runToItsEnd(options: Omit<AgentOptions, 'name'>) {
  const hostname = `exit-${++count}`
  const agent = await startAgent(cluster(), { name: hostname, ...options })
  const status = await agent.exit()
  const { token } = options
  const isSecret = token !== undefined && !token.startsWith('./')
  if (isSecret && agent.output().includes(token)) throw new Error('the agent has printed its token')
  return { status, output: agent.output(), hostname }
}

async function expiredToken(): Promise<string> {
  const { value, id } = await cluster().operator.makeToken({ ttlSeconds: 1 })
  await waitFor('the token gone from the list', async () => {
    return !(await cluster().operator.listTokens()).some((token) => token.id === id)
  })
  return value
}

async function revokedToken(): Promise<string> {
  const { value, id } = await cluster().operator.makeToken()
  await cluster().operator.tokens.revokeToken({ idOrValue: id })
  return value
}

async function usedUpToken(): Promise<string> {
  const { value } = await cluster().operator.makeToken({ maxUses: 1 })
  await joinDirectly(cluster(), { token: value })
  return value
}

test.each([
  ['that is unknown', 'TOKEN_UNKNOWN', async () => `mtk_aaaaaaaaaa_${'a'.repeat(32)}`],
  ['that has expired', 'TOKEN_EXPIRED', expiredToken],
  ['that has been revoked', 'TOKEN_REVOKED', revokedToken],
  ['that is used up', 'TOKEN_USED_UP', usedUpToken],
  ['for other roles', 'ROLE_NOT_ALLOWED', async () => (await cluster().operator.makeToken({ roles: ['proxy'] })).value],
])(
  'an agent with a token %s exits with 3, and prints the reason and the next step',
  async (_title, reason, makeToken) => {
    const token = await makeToken()
    const { status, output, hostname } = await runToItsEnd({ token })
    expect(status).toBe(3)
    expect(output).toContain(reason)
    expect(output).toMatch(/musterctl tokens add/)
    expect((await cluster().operator.roll()).filter((node) => node.hostname === hostname)).toEqual([])
    const { rows } = await cluster().db.query(
      `select reason from registration.audit_events where outcome = 'refused' and details ->> 'hostname' = $1`,
      [hostname],
    )
    expect(rows).toEqual([{ reason }])
  },
)

test('an agent whose server address is not listened on exits with 5 after --join-timeout', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  const { value: token } = await cluster().operator.makeToken()
  const { status, output } = await runToItsEnd({
    token,
    authServer: `127.0.0.1:${port}`,
    flags: ['--join-timeout=1s'],
  })
  expect(status).toBe(5)
  expect(output).toContain(`127.0.0.1:${port}`)
})

test('an agent whose server never answers exits with 5 after --join-timeout', async () => {
  const server = createServer(() => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cluster().life.own('silent server', server, (s) => s.close())
  const { port } = server.address() as AddressInfo
  const { value: token } = await cluster().operator.makeToken()
  const startedAt = performance.now()
  const { status } = await runToItsEnd({ token, authServer: `127.0.0.1:${port}`, flags: ['--join-timeout=2s'] })
  expect(status).toBe(5)
  // Less than the time that it takes by default.
  expect(performance.now() - startedAt).toBeLessThan(25_000)
})

test.each([
  ['no pin', { token: 'x'.repeat(20), pins: [] }, /--ca-pin/],
  ['no token', {}, /--token/],
  ['an invalid pin', { token: 'x'.repeat(20), pins: ['sha256:abc'] }, /--ca-pin/],
  ['an unknown role', { token: 'x'.repeat(20), roles: 'wizard' }, /wizard/],
  ['a token file that is not there', { token: './no-such-file' }, /--token: .*no such file/],
  ['an unknown flag', { flags: ['--frobnicate'] }, /frobnicate/],
  ['a pin and its opposite', { token: 'x'.repeat(20), flags: ['--insecure-skip-ca-pin'] }, /contradicts/],
])('an agent started with %s exits with 2 and a message that names it', async (_title, options, message) => {
  const { status, output } = await runToItsEnd(options)
  expect(status).toBe(2)
  expect(output).toMatch(message)
})
