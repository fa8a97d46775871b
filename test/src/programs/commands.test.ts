import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { beforeAll, expect, test } from '@jest/globals'
import { startAgent } from '../harness/agent.ts'
import { useCluster } from '../harness/use-cluster.ts'
import { joinDirectly } from '../harness/joining.ts'
import { invitePerson, logIn, newDesk, type Desk } from '../harness/login.ts'
import { musterctl, musterctlJson } from '../harness/musterctl.ts'
import { startProgram } from '../harness/program.ts'
import { programFile } from '../harness/programs.ts'
import type { ToolResult } from '../harness/tool.ts'

const cluster = useCluster()
const FORMATS = ['text', 'json'] as const
type Format = (typeof FORMATS)[number]

/** A command as a person types it, once for each format, and its required output. */
interface Try {
  args?: (format: Format) => string[] | Promise<string[]>
  text: RegExp
  /** Left out by a command that prints no data. */
  json?: unknown
  /** The person who is logged in, in place of the cluster's operator; a home folder for each format. */
  at?: (format: Format) => Desk
  /** The command prints until it is stopped; this causes something for it to print. */
  until?: () => Promise<unknown>
}

const NODE_ID = expect.stringMatching(/^[0-9a-f-]{36}$/)
const TOKEN_ID = expect.stringMatching(/^[a-z2-7]{10}$/)
const BOT_NAME = 'ci'

let people = 0
const desks = {} as Record<Format, Desk>
const atDesk = (format: Format) => desks[format]

async function newToken(): Promise<string> {
  return (await cluster().operator.makeToken()).id
}

async function newNode(): Promise<string> {
  const { value } = await cluster().operator.makeToken()
  return (await joinDirectly(cluster(), { token: value })).nodeId
}

async function newBot(): Promise<string> {
  const flags = ['--type=bot', '--bot-name=short-lived']
  const { token } = await musterctlJson<{ token: string }>(cluster(), ['tokens', 'add', ...flags])
  return (await joinDirectly(cluster(), { token, roles: ['bot'] })).nodeId
}

async function newPerson(): Promise<string> {
  const name = `person-${++people}`
  await cluster().operator.users.createUser({ name, roles: ['viewer'], signupTtlSeconds: 0 })
  return name
}

async function bannedNode(): Promise<string> {
  const nodeId = await newNode()
  await musterctlJson(cluster(), ['nodes', 'ban', nodeId])
  return nodeId
}

async function bannedBot(): Promise<string> {
  const botId = await newBot()
  await musterctlJson(cluster(), ['bots', 'ban', botId])
  return botId
}

async function lockedPerson(): Promise<string> {
  const name = await newPerson()
  await musterctlJson(cluster(), ['users', 'lock', name])
  return name
}

beforeAll(async () => {
  await newNode()
  const bot = await musterctlJson<{ token: string }>(cluster(), ['tokens', 'add', '--type=bot', '--bot-name=ci'])
  const agent = await startAgent(cluster(), { name: BOT_NAME, token: bot.token, roles: 'bot', flags: ['--oneshot'] })
  expect(await agent.exit()).toBe(0)
  for (const format of FORMATS) desks[format] = await logIn(cluster(), `at-desk-${format}`, 'viewer')
})

const TRIES: Record<string, Try> = {
  'tokens add': {
    args: () => ['--type=node,db'],
    text: /^muster start 'muster:\/\/mtk_/m,
    json: expect.objectContaining({ token: expect.stringMatching(/^mtk_/), roles: ['db', 'node'] }),
  },
  'tokens ls': {
    text: /^[a-z2-7]{10} .*node/m,
    json: expect.arrayContaining([expect.objectContaining({ id: TOKEN_ID, type: 'join', state: 'live' })]),
  },
  'tokens show': {
    args: async () => [(await musterctlJson<{ token_id: string }[]>(cluster(), ['nodes', 'ls']))[0]!.token_id],
    text: /Joined with it:/,
    json: expect.objectContaining({ uses: 1, nodes: [expect.objectContaining({ id: NODE_ID })] }),
  },
  'tokens extend': {
    args: async () => [await newToken(), '--ttl=2h'],
    text: /[a-z2-7]{10}/,
    json: expect.objectContaining({ id: TOKEN_ID, state: 'live' }),
  },
  'tokens rm': {
    args: async () => [await newToken(), await newToken()],
    text: /[a-z2-7]{10}/,
    json: [
      { id: TOKEN_ID, deleted: true },
      { id: TOKEN_ID, deleted: true },
    ],
  },
  'nodes add': {
    args: () => ['--roles=node', '--ttl=5m'],
    text: /^muster start 'muster:\/\/mtk_/m,
    json: expect.objectContaining({ invitation: expect.stringMatching(/^muster:\/\/mtk_/), roles: ['node'] }),
  },
  'nodes ls': {
    text: /direct .*pending/,
    json: expect.arrayContaining([expect.objectContaining({ hostname: 'direct', status: 'pending' })]),
  },
  'nodes watch': {
    text: /direct/,
    json: expect.objectContaining({ event: 'node', node: expect.objectContaining({ id: NODE_ID }) }),
    until: newNode,
  },
  'nodes show': {
    args: async () => [await newNode()],
    text: /^UUID +[0-9a-f-]{36}$/m,
    json: expect.objectContaining({ id: NODE_ID, hostname: 'direct', ban: null }),
  },
  'nodes ban': {
    args: async () => [await newNode(), '--for=1h'],
    text: /^Node direct \([0-9a-f-]{36}\) is banned until \d{4}/,
    json: [expect.objectContaining({ id: NODE_ID, status: 'banned' })],
  },
  'nodes unban': {
    args: async () => [await bannedNode()],
    text: /^Node direct \([0-9a-f-]{36}\) is let in again/,
    json: [expect.objectContaining({ id: NODE_ID, ban: null })],
  },
  'nodes rm': {
    args: async () => [await newNode()],
    text: /direct|[0-9a-f-]{36}/,
    json: [{ id: NODE_ID, hostname: 'direct', deleted: true }],
  },
  'bots ls': {
    text: /ci .*active/,
    json: [expect.objectContaining({ name: BOT_NAME, state: 'active', generation: 1 })],
  },
  'bots ban': {
    args: async () => [await newBot(), '--reason=leaked'],
    text: /^Bot short-lived on .* is banned until 'musterctl bots unban/,
    json: [expect.objectContaining({ id: NODE_ID, ban: expect.objectContaining({ reason: 'leaked' }) })],
  },
  'bots unban': {
    args: async () => [await bannedBot()],
    text: /^Bot short-lived on .* is not banned/,
    json: [expect.objectContaining({ id: NODE_ID, ban: null })],
  },
  'bots rm': {
    args: async () => [await newBot()],
    text: /^Bot short-lived on .* is removed/,
    json: [{ id: NODE_ID, name: 'short-lived', hostname: expect.any(String), deleted: true }],
  },
  'users add': {
    args: (format) => [`added-${format}`, '--roles=viewer'],
    text: /^musterctl login \\$/m,
    json: expect.objectContaining({ token: expect.stringMatching(/^mtk_/), name: 'added-json', state: 'invited' }),
  },
  'users ls': {
    text: /at-desk-text .*viewer/,
    json: expect.arrayContaining([expect.objectContaining({ name: 'at-desk-json', state: 'active' })]),
  },
  'users update': {
    args: async () => [await newPerson(), '--roles=operator'],
    text: /person-\d+.*operator/,
    json: expect.objectContaining({ roles: ['operator'] }),
  },
  'users reset': {
    args: async () => [await newPerson()],
    text: /^musterctl login \\$/m,
    json: expect.objectContaining({ token: expect.stringMatching(/^mtk_/), state: 'invited' }),
  },
  'users lock': {
    args: async () => [await newPerson()],
    text: /^User person-\d+ is locked out until 'musterctl users unlock/,
    json: [expect.objectContaining({ name: expect.stringMatching(/^person-/), state: 'locked' })],
  },
  'users unlock': {
    args: async () => [await lockedPerson()],
    text: /^User person-\d+ is not locked out/,
    json: [expect.objectContaining({ name: expect.stringMatching(/^person-/), state: 'invited' })],
  },
  'users rm': {
    args: async () => [await newPerson()],
    text: /person-\d+/,
    json: [{ name: expect.stringMatching(/^person-/), deleted: true }],
  },
  'auth rotate': {
    args: () => ['--type=user', '--dry-run'],
    text: /user/,
    json: expect.objectContaining({ type: 'user', phase: 'standby' }),
  },
  'auth status': {
    text: /host[^]*user/,
    json: expect.arrayContaining([expect.objectContaining({ type: 'host', phase: 'standby' })]),
  },
  'audit ls': {
    args: () => ['--since=1h', '--limit=5'],
    text: /^Time .*\n.*\n\d{4}-\d\d-\d\d .* (?:user|token|node)\./m,
    json: expect.arrayContaining([expect.objectContaining({ outcome: 'ok', count: 1 })]),
  },
  'audit tail': {
    text: /token\.create/,
    json: expect.objectContaining({ action: 'token.create', token_id: TOKEN_ID }),
    until: newToken,
  },
  status: { text: /muster\.internal/, json: expect.objectContaining({ cluster_name: 'muster.internal' }) },
  get: {
    args: () => ['tokens'],
    text: /[a-z2-7]{10}/,
    json: expect.arrayContaining([expect.objectContaining({ kind: 'token', metadata: { name: TOKEN_ID } })]),
  },
  create: {
    async args(format) {
      const file = path.join(cluster().dataDir, `${format}.yaml`)
      await writeFile(file, `kind: user\nmetadata: { name: created-${format} }\nspec: { roles: [viewer] }\n`)
      return ['-f', file]
    },
    text: /^user\/created-text created$/m,
    json: [{ kind: 'user', name: 'created-json', outcome: 'created' }],
  },
  rm: {
    args: async () => [`user/${await newPerson()}`],
    text: /^user\/person-\d+ deleted$/m,
    json: [{ kind: 'user', name: expect.stringMatching(/^person-/), deleted: true }],
  },
  login: {
    args: (format) => invitePerson(cluster(), `newcomer-${format}`, 'operator'),
    text: /Logged in to muster\.internal as newcomer-text: operator/,
    json: expect.objectContaining({ name: 'newcomer-json', roles: ['operator'], cluster_name: 'muster.internal' }),
  },
  whoami: {
    text: /at-desk-text/,
    json: expect.objectContaining({ name: 'at-desk-json', roles: ['viewer'] }),
    at: atDesk,
  },
  'clusters ls': {
    text: /\* +muster\.internal +at-desk-text/,
    json: [expect.objectContaining({ cluster_name: 'muster.internal', current: true })],
    at: atDesk,
  },
  'clusters use': {
    args: () => ['muster.internal'],
    text: /muster\.internal is now the current cluster/,
    json: { cluster_name: 'muster.internal', previous: 'muster.internal' },
    at: atDesk,
  },
  logout: {
    text: /Logged out of muster\.internal/,
    json: expect.objectContaining({ cluster_name: 'muster.internal', name: 'at-desk-json' }),
    at: atDesk,
  },
  completion: { args: () => ['bash'], text: /musterctl __complete/ },
}

test('every command of musterctl is in the table of this file', async () => {
  const desk = await newDesk(cluster())
  const next = async (words: string[]) => {
    const { stdout } = await desk.musterctl(['__complete', '--', ...words, ''])
    return stdout.split('\n').flatMap((line) => line.split('\t')[0] || [])
  }
  const { stdout: help } = await desk.musterctl(['--help'])
  const words = await next([])
  for (const word of words) expect(help).toContain(word)
  const commands = await Promise.all(
    words.map(async (word) => {
      const verbs = TRIES[word] === undefined ? await next([word]) : []
      return verbs.length === 0 ? [word] : verbs.map((verb) => `${word} ${verb}`)
    }),
  )
  expect(Object.keys(TRIES).sort()).toEqual(commands.flat().sort())
})

test.each(Object.keys(TRIES))('musterctl %s prints text for people and JSON for programs', async (name) => {
  const wanted = TRIES[name]!
  const [text, json] = await Promise.all(FORMATS.map((format) => output(name, wanted, format)))
  expect(text).toMatchObject({ status: 0, stdout: expect.stringMatching(wanted.text) })
  const printsJson = wanted.json !== undefined
  expect(json!.status).toBe(printsJson ? 0 : 2)
  expect(printsJson ? JSON.parse(json!.stdout) : undefined).toEqual(wanted.json)
})

async function output(name: string, { args, at, until }: Try, format: Format): Promise<ToolResult> {
  const words = [...name.split(' '), ...((await args?.(format)) ?? []), ...(format === 'text' ? [] : ['--format=json'])]
  if (until !== undefined) return firstLine(words, format, until)
  // login stores its identity in the home folder, and takes no identity flag.
  if (name === 'login') return (await newDesk(cluster())).musterctl(words)
  return at === undefined ? musterctl(cluster(), words) : at(format).musterctl(words)
}

/** The first line that is no heading, of a command that goes on until it is stopped. */
async function firstLine(words: string[], format: Format, until: () => Promise<unknown>): Promise<ToolResult> {
  const { life, operatorDir } = cluster()
  const program = startProgram(life, programFile('musterctl'), [...words, '--identity', operatorDir])
  const wanted = TRIES[words.slice(0, 2).join(' ')]!
  const pattern = format === 'text' ? wanted.text : /^\{.*\}$/
  const isThere = () => program.lines.some((line) => pattern.test(line))
  // It may not follow yet when the first of these happens.
  while (!isThere() && !program.hasExited()) {
    await until()
    await program.line(pattern, 500).catch(() => {})
  }
  const stdout = program.lines.find((line) => pattern.test(line))!
  return { status: (await program.stop())!, stdout, stderr: '' }
}
