import { cp } from 'node:fs/promises'
import { users } from '@muster/contracts'
import { AUDITED_SERVICES, describeService } from '@muster/domain'
import { generateKey } from '@muster/pki'
import { afterEach, expect, test } from '@jest/globals'
import { agentDir, renewable, startAgent, type AgentOptions } from '../harness/agent.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { joinDirectly } from '../harness/joining.ts'
import { connectAs, invitePerson, newDesk, type Desk } from '../harness/login.ts'
import { musterctl, musterctlJson, type AuditEvent } from '../harness/musterctl.ts'
import { lockTable, type TableLock } from '../harness/table-lock.ts'
import { waitFor } from '../harness/waiting.ts'

const cluster = useCluster({
  env: {
    // A certificate cannot be renewed within a twentieth of its life; that must not take minutes here.
    'ca-service': { MUSTER_NODE_CERTIFICATE_TTL_SECONDS: '10', MUSTER_BOT_CERTIFICATE_TTL_SECONDS: '10' },
  },
})
const UNKNOWN_TOKEN = `mtk_bbbbbbbbbb_${'b'.repeat(32)}`

async function run(...args: string[]): Promise<void> {
  const { status, stderr } = await musterctl(cluster(), args)
  if (status !== 0) throw new Error(`musterctl ${args.join(' ')}: status ${status}\n${stderr}`)
}

async function refused(...args: string[]): Promise<void> {
  expect(await musterctl(cluster(), args)).toMatchObject({ status: 1 })
}

async function oneshot(options: AgentOptions, status = 0): Promise<void> {
  const agent = await startAgent(cluster(), { ...options, flags: ['--oneshot'] })
  expect([await agent.exit(), agent.output()]).toEqual([status, expect.any(String)])
}

async function renew(options: AgentOptions): Promise<void> {
  await renewable(agentDir(cluster(), options.name))
  await oneshot(options)
}

let node = { id: '', token: '' }
let bot = { id: '', token: '' }
let login: string[] = []
let desk: Desk

/** Each action, and the events that it makes. */
const STEPS: readonly [what: string, act: () => Promise<unknown>, events: readonly string[]][] = [
  [
    'a join token is made',
    async () => (node = await musterctlJson(cluster(), ['tokens', 'add', '--type=node'])),
    ['token-service token.create ok'],
  ],
  ['it is extended', () => run('tokens', 'extend', node.id, '--ttl=1h'), ['token-service token.extend ok']],
  [
    'a node joins',
    () => oneshot({ name: 'node', token: node.token }),
    ['token-service token.spend ok', 'registration-service node.join ok'],
  ],
  ['it renews', () => renew({ name: 'node' }), ['registration-service node.renew ok']],
  [
    'it is removed',
    async () => run('nodes', 'rm', (await cluster().operator.roll())[0]!.id),
    ['registration-service node.remove ok'],
  ],
  [
    'it comes back by itself',
    () => oneshot({ name: 'node' }, 3),
    ['registration-service node.renew refused NODE_UNKNOWN'],
  ],
  [
    'a newcomer requests a role that the token does not admit',
    () => oneshot({ name: 'proxy', token: node.token, roles: 'proxy' }, 3),
    ['registration-service node.join refused ROLE_NOT_ALLOWED'],
  ],
  ['the token is removed', () => run('tokens', 'rm', node.id), ['token-service token.revoke ok']],
  [
    'it is extended after that',
    () => refused('tokens', 'extend', node.id, '--ttl=1h'),
    ['token-service token.extend refused TOKEN_REVOKED'],
  ],
  [
    'a newcomer joins with it',
    () => oneshot({ name: 'late', token: node.token }, 3),
    ['registration-service node.join refused TOKEN_REVOKED'],
  ],
  [
    'a newcomer joins with an unknown token',
    () => oneshot({ name: 'guess', token: UNKNOWN_TOKEN }, 3),
    ['registration-service node.join refused TOKEN_UNKNOWN'],
  ],
  [
    'a bot token is made',
    async () => (bot = await musterctlJson(cluster(), ['tokens', 'add', '--type=bot', '--bot-name=ci'])),
    ['token-service token.create ok'],
  ],
  [
    'a bot joins',
    () => oneshot({ name: 'bot', token: bot.token, roles: 'bot' }),
    ['token-service token.spend ok', 'registration-service bot.join ok'],
  ],
  [
    'it renews, after a copy was made',
    async () => {
      await cp(agentDir(cluster(), 'bot'), agentDir(cluster(), 'copy'), { recursive: true })
      await renew({ name: 'bot', roles: 'bot' })
    },
    ['registration-service bot.renew ok'],
  ],
  [
    'the copy renews',
    () => oneshot({ name: 'copy', roles: 'bot' }, 3),
    ['registration-service bot.lock refused BOT_LOCKED'],
  ],
  [
    'it renews once more',
    () => oneshot({ name: 'bot', roles: 'bot' }, 3),
    ['registration-service bot.renew refused BOT_LOCKED'],
  ],
  [
    'it is removed',
    async () => run('bots', 'rm', (await musterctlJson<{ id: string }[]>(cluster(), ['bots', 'ls']))[0]!.id),
    ['registration-service bot.remove ok'],
  ],
  [
    'it comes back by itself',
    () => oneshot({ name: 'bot', roles: 'bot' }, 3),
    ['registration-service bot.renew refused BOT_UNKNOWN'],
  ],
  [
    'a person is added',
    async () => (login = await invitePerson(cluster(), 'ada', 'admin')),
    ['token-service token.create ok', 'registration-service user.create ok'],
  ],
  [
    'a person signs up with an unknown token',
    async () => {
      const flags = login.map((flag) => (flag.startsWith('--token=') ? `--token=${UNKNOWN_TOKEN}` : flag))
      expect(await (await newDesk(cluster())).musterctl(['login', ...flags])).toMatchObject({ status: 1 })
    },
    ['registration-service user.signup refused TOKEN_UNKNOWN'],
  ],
  [
    'the person signs up',
    async () => {
      desk = await newDesk(cluster())
      expect(await desk.musterctl(['login', ...login])).toMatchObject({ status: 0 })
    },
    ['token-service token.spend ok', 'registration-service user.signup ok'],
  ],
  [
    'the person renews',
    async () => {
      const connection = await connectAs(cluster(), desk.identityDir, 'registration-service')
      await connection.client(users.UserServiceService).renewUser({})
    },
    ['registration-service user.renew ok'],
  ],
  [
    'the last admin is to be demoted',
    () => refused('users', 'update', 'ada', '--roles=viewer'),
    ['registration-service user.update refused LAST_ADMIN'],
  ],
  [
    'the last admin is to be removed',
    () => refused('users', 'rm', 'ada'),
    ['registration-service user.remove refused LAST_ADMIN'],
  ],
  [
    'the person becomes a second one',
    async () => {
      const { signupToken, signupTokenId } = await cluster().operator.users.createUser({
        name: 'bob',
        roles: ['admin'],
        signupTtlSeconds: 300,
      })
      expect([signupToken, signupTokenId]).not.toContain('')
      const flags = login.map((flag) =>
        flag.startsWith('--token=') ? `--token=${signupToken}` : flag === '--user=ada' ? '--user=bob' : flag,
      )
      expect(await (await newDesk(cluster())).musterctl(['login', ...flags])).toMatchObject({ status: 0 })
    },
    [
      'token-service token.create ok',
      'registration-service user.create ok',
      'token-service token.spend ok',
      'registration-service user.signup ok',
    ],
  ],
  [
    'the first is demoted',
    () => run('users', 'update', 'ada', '--roles=viewer'),
    ['registration-service user.update ok'],
  ],
  [
    'a command meets that',
    // musterctl gets other roles with the new certificate and tries again: that is one more refusal.
    async () => expect(await desk.musterctl(['users', 'rm', 'bob'])).toMatchObject({ status: 1 }),
    ['registration-service user.renew ok', 'registration-service call.RemoveUser refused CALLER_NOT_ALLOWED (2)'],
  ],
  [
    'a viewer wants to make a token, and to see to people',
    async () => {
      expect(await desk.musterctl(['tokens', 'add', '--type=node'])).toMatchObject({ status: 1 })
      expect(await desk.musterctl(['users', 'reset', 'bob'])).toMatchObject({ status: 1 })
    },
    // Each time musterctl asks for a certificate with roles that may have been given meanwhile.
    [
      'token-service call.CreateToken refused CALLER_NOT_ALLOWED',
      'registration-service user.renew ok',
      'registration-service user.renew ok',
      'registration-service call.ResetUser refused CALLER_NOT_ALLOWED',
    ],
  ],
  [
    'the viewer is reset',
    () => run('users', 'reset', 'ada'),
    // The key could repeat the spend of the former token for a while, so that token ends too.
    ['token-service token.revoke ok', 'token-service token.create ok', 'registration-service user.reset ok'],
  ],
  [
    'who was reset looks',
    async () => expect(await desk.musterctl(['tokens', 'ls'])).toMatchObject({ status: 1 }),
    ['token-service call.ListTokens refused USER_UNKNOWN'],
  ],
  [
    'the viewer is removed, and the signup token with them',
    () => run('users', 'rm', 'ada'),
    ['token-service token.revoke ok', 'registration-service user.remove ok'],
  ],
  ['a service starts', () => cluster().restart('token-service', 0), ['ca-service service.enroll ok']],
  ['break-glass is used', () => cluster().renewOperator(), ['ca-service user.issue-admin ok']],
]

type Recorded = Pick<AuditEvent, 'service' | 'id' | 'action' | 'outcome' | 'reason' | 'count'>

/** The events of all services, newest first, from their databases: musterctl would start a process each time. */
async function recorded(): Promise<Recorded[]> {
  const selects = AUDITED_SERVICES.map(
    (name) => `select '${name}' as service, id::text as id, action, outcome, reason, count, at
                 from ${describeService(name).schema}.audit_events`,
  )
  const { rows } = await cluster().db.query<Recorded>(`${selects.join(' union all ')} order by at desc, id desc`)
  return rows
}

function lineOf({ service, action, outcome, reason, count }: Recorded): string {
  const counted = count === 1 ? null : `(${count})`
  return [service, action, outcome, reason, counted].filter((part) => part !== null).join(' ')
}

test('each change and each refusal is exactly one audit event, in the service where it happened', async () => {
  let before = await recorded()
  const key = ({ service, id }: Recorded) => `${service} ${id}`
  const seen: [string, string[]][] = []
  for (const [what, act, events] of STEPS) {
    try {
      await act()
    } catch (error) {
      throw new Error(`when ${what}`, { cause: error })
    }
    const known = new Set(before.map(key))
    const wanted = [...events].sort().join()
    let added: string[] = []
    let after = before
    // Refusals of calls are written while the answer is on its way, and counted within a second.
    await waitFor('the events', async () => {
      after = await recorded()
      added = after.filter((event) => !known.has(key(event))).map(lineOf)
      return added.sort().join() === wanted
    }).catch(() => {})
    seen.push([what, added])
    before = after
  }
  expect(seen).toEqual(STEPS.map(([what, , events]) => [what, [...events].sort()]))
  // No event arrived late.
  expect((await recorded()).map(lineOf)).toEqual(before.map(lineOf))
})

let lock: TableLock | undefined
afterEach(async () => {
  await lock?.release()
  lock = undefined
})

test.each([
  ['goes on in the database', 'release'],
  ['is cut off in the database too', 'cut'],
] as const)(
  'a killed registration-service leaves the node on the roll with its event, or neither, when its statement %s',
  async (_what, end) => {
    const { operator, services, restart, db } = cluster()
    const { value, id } = await operator.makeToken({ maxUses: 1 })
    const attempt = { token: value, key: generateKey() }
    lock = await lockTable(cluster(), 'registration.audit_events')
    const answer = joinDirectly(cluster(), attempt).catch((error: unknown) => error)
    await lock.someoneWaits('record_audit')
    services['registration-service'][0]!.kill('SIGKILL')
    expect(await answer).toMatchObject({ kind: 'unavailable' })
    await lock[end]()
    await waitFor('the end of its statements', async () => {
      const { rowCount } = await db.query(
        `select from pg_stat_activity where application_name = 'registration-service' and state = 'active'`,
      )
      return rowCount === 0
    })
    const found = async () => {
      const { rows } = await db.query<{ joined: boolean; events: number }>(
        `select joined_at is not null as joined,
                (select count(*)::int from registration.audit_events
                  where action = 'node.join' and node_id = nodes.id and outcome = 'ok') as events
           from registration.nodes
          where token_id = $1`,
        [id],
      )
      return rows
    }
    const isThere = end === 'release'
    expect(await found()).toEqual([{ joined: isThere, events: isThere ? 1 : 0 }])

    await restart('registration-service', 0)
    await joinDirectly(cluster(), attempt)
    expect(await found()).toEqual([{ joined: true, events: isThere ? 2 : 1 }])
  },
)
