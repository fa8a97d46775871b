import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { token } from '@muster/contracts'
import { startTestCluster, type TestCluster } from '../../test/support/cluster.ts'
import {
  createDocuments,
  SECRET,
  startLists,
  TOKEN,
  tokenOf,
  USER,
  type TestLists,
} from '../../test/support/documents.ts'

let cluster: TestCluster
let lists: TestLists

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())
beforeEach(() => {
  lists = startLists(cluster)
})

const create = (text: string, ...flags: string[]) => createDocuments(cluster, text, ...flags)

describe('create', () => {
  test('musterctl create creates missing resources, and then finds them unchanged', async () => {
    const first = await create(`${TOKEN}---${TOKEN.replace('runners', 'others')}---\n${USER}`)
    expect(first).toEqual({
      status: 0,
      stdout: 'token/runners created\ntoken/others created\nuser/ada created\n',
      stderr: "'musterctl users reset ada' prints the command to sign up with.\n",
    })
    expect(lists.tokens[0]).toMatchObject({
      name: 'runners',
      roles: ['node', 'proxy'],
      maxUses: 5,
      labels: { env: 'prod' },
      nodeLabels: { tier: '1' },
      description: 'for the runners',
      restrictions: { allowCidrs: ['10.0.0.0/8'], allowHostnames: ['web-*'] },
    })
    expect({ values: lists.values, calls: lists.calls }).toEqual({
      values: [SECRET, SECRET],
      calls: ['create runners', 'create others', 'create ada 0'],
    })
    const again = await create(`${TOKEN}---\n${USER}`, '--format=json')
    expect(again.status).toBe(0)
    expect(JSON.parse(again.stdout)).toEqual([
      { kind: 'token', name: 'runners', outcome: 'unchanged' },
      { kind: 'user', name: 'ada', outcome: 'unchanged' },
    ])
    expect(lists.calls).toHaveLength(3)
  })

  test('musterctl create replaces the roles of a person, and says that a token that differs must be removed first', async () => {
    await create(`${TOKEN}---\n${USER}`)
    const { status, stdout, stderr } = await create(
      `${TOKEN.replace('[node, proxy]', '[node]').replace('max_uses: 5', 'max_uses: 6')}---\n${USER.replace('viewer', 'operator')}`,
    )
    expect(stdout).toBe('user/ada updated\n')
    expect(stderr).toContain('document 1: token/runners: already exists with another spec (roles, max_uses)\n')
    expect(stderr).toContain("remove it first with 'musterctl rm token/runners'")
    expect(status).toBe(1)
    expect(lists.people[0]!.roles).toEqual(['operator'])
  })

  test('musterctl create reads the secret from a file beside the document, without its line end', async () => {
    await writeFile(path.join(cluster.dir, 'secret'), `${SECRET}-in-a-file\n`)
    await create(TOKEN.replace(`value: ${SECRET}`, 'value_file: secret'))
    expect(lists.values).toEqual([`${SECRET}-in-a-file`])
  })

  test('musterctl create creates a token again when the one with that name has expired', async () => {
    lists.tokens.push(tokenOf({ name: 'runners', state: token.TokenState.EXPIRED }))
    expect((await create(TOKEN)).stdout).toBe('token/runners created\n')
  })

  test('musterctl create reads standard input', async () => {
    async function* stdin() {
      yield TOKEN.slice(0, 40)
      yield Buffer.from(TOKEN.slice(40))
    }
    expect(await cluster.run(['create', '--file=-'], { stdin: stdin() })).toMatchObject({
      status: 0,
      stdout: 'token/runners created\n',
    })
  })

  test('musterctl create names a broken third document by number and line, and applies the others', async () => {
    const { status, stdout, stderr } = await create(
      `${USER}---\n${TOKEN}---\nkind: token\n  bad: [\n---\n${USER.replace('name: ada', 'name: bob')}`,
    )
    const line = `${USER}---\n${TOKEN}---\n`.split('\n').length
    expect(stderr).toMatch(new RegExp(`^musterctl: document 3 \\(line ${line}\\): is not YAML: `))
    expect(stdout).toBe('user/ada created\ntoken/runners created\nuser/bob created\n')
    expect(status).toBe(1)
  })

  test.each<[string, string, RegExp]>([
    [
      'an unknown key',
      TOKEN.replace('ttl:', 'tttl:'),
      /document 1 \(line 7\): spec\.tttl: unknown key; did you mean ttl\?/,
    ],
    ['an unknown key at the top', `${USER}colour: green\n`, /document 1 \(line 4\): colour: unknown key/],
    [
      'an unknown kind',
      USER.replace('user', 'usr'),
      /line 1\): kind: must be one of token, node, user; did you mean user\?/,
    ],
    ['a node', `kind: node\nmetadata: {name: x}\nspec: {}\n`, /kind: nodes cannot be created/],
    ['no name', 'kind: user\nmetadata: {}\nspec: {roles: [viewer]}\n', /metadata\.name: is required/],
    ['no spec', 'kind: user\nmetadata: {name: ada}\n', /spec: must be a mapping/],
    ['a text', 'just text\n', /the document: must be a mapping/],
    ['a list', `- ${USER.replaceAll('\n', '\n  ')}\n`, /the document: must be a mapping/],
    [
      'a number for a text',
      TOKEN.replace('for the runners', '42'),
      /line 11\): spec\.description: must be a string; put it in quotes/,
    ],
    ['a number for a label', TOKEN.replace('"1"', '1'), /spec\.node_labels: must map strings to strings/],
    ['a text for a list', TOKEN.replace('[node, proxy]', 'node'), /line 6\): spec\.roles: must be a list/],
    ['an unknown role', TOKEN.replace('proxy', 'prxy'), /spec\.roles: "prxy" is not known/],
    [
      'an invalid network',
      TOKEN.replace('10.0.0.0/8', '10.0.0.0/99'),
      /spec\.allow_cidrs: "10\.0\.0\.0\/99" is not a network/,
    ],
    ['uses below zero', TOKEN.replace('max_uses: 5', 'max_uses: -5'), /spec\.max_uses: must be a whole number/],
    ['no uses', TOKEN.replace('max_uses: 5', 'max_uses: 0'), /spec\.max_uses: must be a whole number of at least 1/],
    [
      'a bot without a name',
      TOKEN.replace('[node, proxy]', '[bot]'),
      /spec\.bot_name: is required with spec\.roles=bot/,
    ],
    ['a bot that is a node', TOKEN.replace('node, proxy', 'bot, node'), /spec\.roles: bot cannot be combined/],
    ['two ends', TOKEN.replace('ttl: 1h', 'ttl: 1h\n  expires_at: 2030-01-01T00:00:00Z'), /spec\.ttl: conflicts/],
    ['an invalid time of expiry', TOKEN.replace('ttl: 1h', 'expires_at: tomorrow'), /spec\.expires_at: is not a time/],
    ['a secret that is too short', TOKEN.replace(SECRET, 'canary'), /spec\.value: shorter than 16/],
    [
      'a secret file that is not there',
      TOKEN.replace(`value: ${SECRET}`, 'value_file: nowhere'),
      /line 14\): spec\.value_file: there is no file \/.*\/nowhere\n/,
    ],
    ['a secret twice', `${TOKEN}  value_file: secret\n`, /spec\.value_file: conflicts with spec\.value/],
    ['a key twice', TOKEN.replace('ttl: 1h', 'ttl: 1h\n  ttl: 2h'), /line 8\): is not YAML: duplicate key/],
    ['an alias to nothing', TOKEN.replace(SECRET, `*${SECRET}`), /document 1 .*: (?:is not YAML|has aliases)/],
    ['an unknown tag', TOKEN.replace(SECRET, `!${SECRET} x`), /spec\.value: /],
    ['a document twice', `${USER}---\n${USER}`, /document 2 \(line 6\): user\/ada repeats document 1/],
    [
      'a name that looks like an id, for a token that is not there',
      TOKEN.replace('runners', 'abcdefghij'),
      /metadata\.name: .* looks like a token id/,
    ],
    ['no secret, for a token that is not there', TOKEN.replace(`  value: ${SECRET}\n`, ''), /spec\.value: is required/],
    ['a life without end', TOKEN.replace('ttl: 1h', 'ttl: 99999999d'), /spec\.ttl: is too far away/],
    [
      'an end beyond all',
      TOKEN.replace('ttl: 1h', 'expires_at: 9999-01-01T00:00:00Z'),
      /spec\.expires_at: is too far away/,
    ],
    ['more uses than can be counted', TOKEN.replace('max_uses: 5', 'max_uses: 5e9'), /spec\.max_uses: must be a whole/],
    [
      'an end that has passed',
      TOKEN.replace('ttl: 1h', 'expires_at: 2001-01-01T00:00:00Z'),
      /spec\.expires_at: has passed/,
    ],
  ])('musterctl create rejects %s, and repeats no secret', async (_what, text, message) => {
    const { status, stdout, stderr } = await create(text)
    expect(stderr).toMatch(message)
    expect(stderr + stdout).not.toContain('canary')
    expect(stderr).not.toMatch(/\n\s+at /)
    expect(status).toBe(1)
    expect(lists.values).toEqual([])
  })

  test('musterctl create continues after a document that the cluster refuses', async () => {
    const { status, stdout, stderr } = await create(`${TOKEN.replace('for the runners', 'too long')}---\n${USER}`)
    expect(stderr).toMatch(/document 1: token\/runners: token-service refused .*at most 7d/)
    expect(stdout).toBe('user/ada created\n')
    expect(status).toBe(1)
  })

  test('musterctl create rejects aliases of aliases before they use much memory', async () => {
    const bomb = Array.from(
      { length: 30 },
      (_, i) => `a${i}: &a${i} [${i === 0 ? 'x' : `*a${i - 1}, *a${i - 1}`}]`,
    ).join('\n')
    expect((await create(bomb)).stderr).toContain('document 1 (line 1): has aliases that cannot be resolved')
  })

  test.each([
    [['create'], 2, '--file is required'],
    [['create', '-f', '/nowhere/at/all'], 1, 'there is no file /nowhere/at/all\n'],
    [['create', '-f', '-'], 1, 'standard input contains no documents'],
  ])('musterctl create with %j is an error', async (argv, status, message) => {
    const ran = await cluster.run(argv)
    expect(ran.stderr).toContain(message)
    expect(ran.status).toBe(status)
  })
})
