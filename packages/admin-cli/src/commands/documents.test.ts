import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { token, type users } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { aNode, aToken, aUser } from '../test-data.ts'
import { startTestCluster, type TestCluster } from '../test-cluster.ts'

const SECRET = 'canary-secret-of-the-document'
const EXPIRES_AT = new Date('2030-01-01T00:00:00.000Z')

let cluster: TestCluster
let tokens: token.Token[]
let people: users.User[]
let values: string[]
let calls: string[]

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

// A cluster of three lists, as far as documents are concerned.
beforeEach(() => {
  tokens = []
  people = []
  values = []
  calls = []
  const takeOut = <T>(list: T[], isIt: (item: T) => boolean, what: string): T => {
    const at = list.findIndex(isIt)
    if (at < 0) throw new AppError('notFound', `no such ${what}`)
    return list.splice(at, 1)[0]!
  }
  cluster.answers.tokens = {
    async getToken({ idOrName }) {
      const found = tokens.find(({ id, name }) => [id, name].includes(idOrName))
      if (found === undefined) throw new AppError('notFound', 'no such token')
      return { token: found }
    },
    async listTokens({ types }) {
      return { tokens: tokens.filter(({ type }) => types.includes(type)), nextPageToken: '' }
    },
    async createToken({ value, ttlSeconds, ...asked }) {
      calls.push(`create ${asked.name}`)
      if (asked.description === 'too long') throw new AppError('invalidArgument', 'ttl_seconds: at most 7d')
      values.push(value)
      const made = tokenOf({ ...asked, id: `aaaaaaaaa${'abcdefgh'[tokens.length]}` })
      tokens.push({ ...made, expiresAt: new Date(Date.now() + ttlSeconds * 1000) })
      return { token: made, value }
    },
    async revokeToken({ idOrValue }) {
      return { token: takeOut(tokens, ({ id, name }) => [id, name].includes(idOrValue), 'token') }
    },
  }
  cluster.answers.users = {
    async listUsers() {
      return { users: people, nextPageToken: '' }
    },
    async createUser({ name, roles, signupTtlSeconds }) {
      calls.push(`create ${name} ${signupTtlSeconds}`)
      const user = userOf(name, roles)
      people.push(user)
      return { user, signupToken: '', signupTokenId: '' }
    },
    async updateUser({ name, roles }) {
      calls.push(`update ${name}`)
      people = people.map((user) => (user.name === name ? { ...user, roles } : user))
      return { user: userOf(name, roles) }
    },
    async removeUser({ name }) {
      return { user: takeOut(people, (user) => user.name === name, 'user') }
    },
  }
  cluster.answers.registration = {
    async listNodes() {
      return { nodes: [{ ...aNode, hostname: 'web-1' }], nextPageToken: '' }
    },
    async removeNode({ nodeId }) {
      calls.push(`remove ${nodeId}`)
      return { node: undefined }
    },
  }
})

const NODE_ID = aNode.id

function tokenOf(over: Partial<token.Token>): token.Token {
  const restrictions = { allowCidrs: [], allowHostnames: [] }
  return { ...aToken, restrictions, expiresAt: EXPIRES_AT, ...over }
}

function userOf(name: string, roles: string[]): users.User {
  return { ...aUser, name, roles }
}

async function create(text: string, ...flags: string[]) {
  const file = path.join(cluster.dir, 'documents.yaml')
  await writeFile(file, text)
  return cluster.run(['create', '-f', file, ...flags])
}

const TOKEN = `
kind: token
metadata:
  name: runners
spec:
  roles: [node, proxy]
  ttl: 1h
  max_uses: 5
  labels: { env: prod }
  node_labels: { tier: "1" }
  description: for the runners
  allow_cidrs: [10.0.0.0/8]
  allow_hostnames: ["web-*"]
  value: ${SECRET}
`
const USER = 'kind: user\nmetadata: { name: ada }\nspec: { roles: [viewer] }\n'

const documentSchema = z.strictObject({
  kind: z.enum(['token', 'node', 'user']),
  metadata: z.strictObject({ name: z.string() }),
  spec: z.record(z.string(), z.unknown()),
  status: z.record(z.string(), z.unknown()),
})

describe('create', () => {
  test('makes what is not there, and then finds it unchanged', async () => {
    const first = await create(`${TOKEN}---${TOKEN.replace('runners', 'others')}---\n${USER}`)
    expect(first).toEqual({
      status: 0,
      stdout: 'token/runners created\ntoken/others created\nuser/ada created\n',
      stderr: "'musterctl users reset ada' prints the command to sign up with.\n",
    })
    expect(tokens[0]).toMatchObject({
      name: 'runners',
      roles: ['node', 'proxy'],
      maxUses: 5,
      labels: { env: 'prod' },
      nodeLabels: { tier: '1' },
      description: 'for the runners',
      restrictions: { allowCidrs: ['10.0.0.0/8'], allowHostnames: ['web-*'] },
    })
    expect({ values, calls }).toEqual({
      values: [SECRET, SECRET],
      calls: ['create runners', 'create others', 'create ada 0'],
    })
    const again = await create(`${TOKEN}---\n${USER}`, '--format=json')
    expect(again.status).toBe(0)
    expect(JSON.parse(again.stdout)).toEqual([
      { kind: 'token', name: 'runners', outcome: 'unchanged' },
      { kind: 'user', name: 'ada', outcome: 'unchanged' },
    ])
    expect(calls).toHaveLength(3)
  })

  test('gives a person other roles, and says of a token that differs that it must go first', async () => {
    await create(`${TOKEN}---\n${USER}`)
    const { status, stdout, stderr } = await create(
      `${TOKEN.replace('[node, proxy]', '[node]').replace('max_uses: 5', 'max_uses: 6')}---\n${USER.replace('viewer', 'operator')}`,
    )
    expect(stdout).toBe('user/ada updated\n')
    expect(stderr).toContain('document 1: token/runners: is there with another spec (roles, max_uses)\n')
    expect(stderr).toContain("remove it first with 'musterctl rm token/runners'")
    expect(status).toBe(1)
    expect(people[0]!.roles).toEqual(['operator'])
  })

  test('takes the secret from a file beside the document, without its line end', async () => {
    await writeFile(path.join(cluster.dir, 'secret'), `${SECRET}-in-a-file\n`)
    await create(TOKEN.replace(`value: ${SECRET}`, 'value_file: secret'))
    expect(values).toEqual([`${SECRET}-in-a-file`])
  })

  test('makes a token anew whose namesake has ended', async () => {
    tokens.push(tokenOf({ name: 'runners', state: token.TokenState.EXPIRED }))
    expect((await create(TOKEN)).stdout).toBe('token/runners created\n')
  })

  test('reads standard input', async () => {
    async function* stdin() {
      yield TOKEN.slice(0, 40)
      yield Buffer.from(TOKEN.slice(40))
    }
    expect(await cluster.run(['create', '--file=-'], { stdin: stdin() })).toMatchObject({
      status: 0,
      stdout: 'token/runners created\n',
    })
  })

  test('names a broken third document by number and line, and applies the others', async () => {
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
    ['a node', `kind: node\nmetadata: {name: x}\nspec: {}\n`, /kind: nodes join by themselves/],
    ['no name', 'kind: user\nmetadata: {}\nspec: {roles: [viewer]}\n', /metadata\.name: is needed/],
    ['no spec', 'kind: user\nmetadata: {name: ada}\n', /spec: must be a mapping/],
    ['a text', 'just text\n', /the document: must be a mapping/],
    ['a list', `- ${USER.replaceAll('\n', '\n  ')}\n`, /the document: must be a mapping/],
    [
      'a number for a text',
      TOKEN.replace('for the runners', '42'),
      /line 11\): spec\.description: must be a text; put it in quotes/,
    ],
    ['a number for a label', TOKEN.replace('"1"', '1'), /spec\.node_labels: must be a mapping of texts to texts/],
    ['a text for a list', TOKEN.replace('[node, proxy]', 'node'), /line 6\): spec\.roles: must be a list/],
    ['an unknown role', TOKEN.replace('proxy', 'prxy'), /spec\.roles: "prxy" is not known/],
    [
      'a network that is none',
      TOKEN.replace('10.0.0.0/8', '10.0.0.0/99'),
      /spec\.allow_cidrs: "10\.0\.0\.0\/99" is not a network/,
    ],
    ['uses below zero', TOKEN.replace('max_uses: 5', 'max_uses: -5'), /spec\.max_uses: must be a whole number/],
    ['two ends', TOKEN.replace('ttl: 1h', 'ttl: 1h\n  expires_at: 2030-01-01T00:00:00Z'), /spec\.ttl: contradicts/],
    ['an end that is none', TOKEN.replace('ttl: 1h', 'expires_at: tomorrow'), /spec\.expires_at: is not a time/],
    ['a secret that is too short', TOKEN.replace(SECRET, 'canary'), /spec\.value: shorter than 16/],
    [
      'a secret file that is not there',
      TOKEN.replace(`value: ${SECRET}`, 'value_file: nowhere'),
      /line 14\): spec\.value_file: cannot be read/,
    ],
    ['a secret twice', `${TOKEN}  value_file: secret\n`, /spec\.value_file: contradicts spec\.value/],
    ['a key twice', TOKEN.replace('ttl: 1h', 'ttl: 1h\n  ttl: 2h'), /line 8\): is not YAML: duplicate key/],
    ['an alias to nothing', TOKEN.replace(SECRET, `*${SECRET}`), /document 1 .*: (?:is not YAML|has aliases)/],
    ['a tag that nobody knows', TOKEN.replace(SECRET, `!${SECRET} x`), /spec\.value: /],
    ['a document twice', `${USER}---\n${USER}`, /document 2 \(line 6\): user\/ada is document 1 already/],
    [
      'a name that looks like an id, for a token that is not there',
      TOKEN.replace('runners', 'abcdefghij'),
      /metadata\.name: .* looks like a token id/,
    ],
    ['no secret, for a token that is not there', TOKEN.replace(`  value: ${SECRET}\n`, ''), /spec\.value: is needed/],
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
  ])('refuses %s, and repeats no secret', async (_what, text, message) => {
    const { status, stdout, stderr } = await create(text)
    expect(stderr).toMatch(message)
    expect(stderr + stdout).not.toContain('canary')
    expect(stderr).not.toMatch(/\n\s+at /)
    expect(status).toBe(1)
    expect(values).toEqual([])
  })

  test('goes on after a document that the cluster refuses', async () => {
    const { status, stdout, stderr } = await create(`${TOKEN.replace('for the runners', 'too long')}---\n${USER}`)
    expect(stderr).toMatch(/document 1: token\/runners: token-service refused .*at most 7d/)
    expect(stdout).toBe('user/ada created\n')
    expect(status).toBe(1)
  })

  test('is not led to use all memory by aliases of aliases', async () => {
    const bomb = Array.from(
      { length: 30 },
      (_, i) => `a${i}: &a${i} [${i === 0 ? 'x' : `*a${i - 1}, *a${i - 1}`}]`,
    ).join('\n')
    expect((await create(bomb)).stderr).toContain('document 1 (line 1): has aliases that cannot be resolved')
  })

  test.each([
    [['create'], 2, 'which file?'],
    [['create', '-f', '/nowhere/at/all'], 1, 'cannot read /nowhere/at/all: '],
    [['create', '-f', '-'], 1, 'standard input holds no documents'],
  ])('%j is an error', async (argv, status, message) => {
    const ran = await cluster.run(argv)
    expect(ran.stderr).toContain(message)
    expect(ran.status).toBe(status)
  })
})

describe('get', () => {
  test('prints documents that create finds unchanged, without the secret', async () => {
    await create(
      `${TOKEN}---\n${USER}---\n${TOKEN.replace('runners', 'bots').replace('[node, proxy]', '[bot]').replace('max_uses: 5', 'bot_name: ci')}`,
    )
    tokens.push(tokenOf({ id: 'bcdefghijk', maxUses: 1, labels: { a: 'b' } }))
    calls = []
    const shown = [await cluster.run(['get', 'tokens', '-o', 'yaml']), await cluster.run(['get', 'user', '-o', 'yaml'])]
    const text = shown.map(({ stdout }) => stdout).join('')
    expect(text).not.toContain('canary')
    expect(parseAllDocuments(text)).toHaveLength(4)
    const { status, stdout, stderr } = await create(text)
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: 'token/runners unchanged\ntoken/bots unchanged\ntoken/bcdefghijk unchanged\nuser/ada unchanged\n',
      stderr: '',
    })
    expect(calls).toEqual([])
  })

  test('prints one by name: a document, an object, a row', async () => {
    await create(`${TOKEN}---\n${USER}`)
    const yaml = await cluster.run(['get', 'token', 'runners', '--format=yaml'])
    expect(yaml.stdout).toMatch(/^kind: token\nmetadata:\n {2}name: runners\nspec:\n/)
    const json = await cluster.run(['get', 'users', 'ada', '-o', 'json'])
    expect(JSON.parse(json.stdout)).toMatchObject({
      kind: 'user',
      metadata: { name: 'ada' },
      spec: { roles: ['viewer'] },
    })
    const node = await cluster.run(['get', 'nodes', NODE_ID, '-o', 'json'])
    expect(JSON.parse(node.stdout)).toMatchObject({
      kind: 'node',
      metadata: { name: NODE_ID },
      status: { hostname: 'web-1' },
    })
    const shapes = {
      tokens: [
        'roles',
        'expires_at',
        'max_uses',
        'labels',
        'node_labels',
        'description',
        'bot_name',
        'allow_cidrs',
        'allow_hostnames',
      ],
      nodes: ['roles', 'labels'],
      users: ['roles'],
    }
    for (const [kind, keys] of Object.entries(shapes)) {
      const list = z.array(documentSchema).parse(JSON.parse((await cluster.run(['get', kind, '-o', 'json'])).stdout))
      expect(list.map(({ spec }) => Object.keys(spec))).toEqual([keys])
    }
    expect((await cluster.run(['get', 'tokens'])).stdout).toMatch(/^Token id .*Name.*\n.*\n.*runners/)
    expect((await cluster.run(['get', 'nodes'])).stdout).toContain('web-1')
    expect(JSON.parse((await cluster.run(['get', 'users', '-o', 'json'])).stdout)).toHaveLength(1)
  })

  test.each([
    [['get'], 2, 'of what? valid values: tokens, nodes, users'],
    [['get', 'node', 'web-1'], 2, '"web-1" is not a node id'],
    [['get', 'usrs'], 2, '"usrs" is no kind; valid values: tokens, nodes, users; did you mean users?'],
    [['get', 'tokens', 'a', 'b'], 2, 'one name at a time'],
    [['get', 'users', 'nobody'], 1, 'there is none of that name'],
    [['get', 'tokens', 'nothing'], 1, 'no such token'],
  ])('%j is an error', async (argv, status, message) => {
    const ran = await cluster.run(argv)
    expect(ran.stderr).toContain(message)
    expect(ran.status).toBe(status)
  })

  test('shows no signup or static token as a document', async () => {
    tokens = [tokenOf({ id: 'abcdefghij', type: token.TokenType.STATIC, expiresAt: undefined })]
    expect((await cluster.run(['get', 'tokens', '-o', 'yaml'])).stdout).toBe('')
    expect((await cluster.run(['get', 'tokens', 'abcdefghij'])).stderr).toContain('abcdefghij is a static token')
  })
})

describe('rm', () => {
  test('removes things of every kind, one after the other', async () => {
    await create(`${TOKEN}---\n${USER}`)
    const { status, stdout } = await cluster.run(['rm', 'token/runners', 'users/ada', `node/${NODE_ID}`])
    expect(stdout).toBe(`token/runners deleted\nuser/ada deleted\nnode/${NODE_ID} deleted\n`)
    expect({ status, tokens, people }).toEqual({ status: 0, tokens: [], people: [] })
  })

  test('goes on after what is not there, and exits with 1', async () => {
    await create(USER)
    const { status, stdout, stderr } = await cluster.run(['rm', 'token/nothing', 'user/ada', '--format=json'])
    expect(JSON.parse(stdout)).toEqual([{ kind: 'user', name: 'ada', deleted: true }])
    expect(stderr).toBe('musterctl: token/nothing: no such token\n')
    expect(status).toBe(1)
  })

  test.each([
    [['rm'], 'remove what? give KIND/NAME'],
    [['rm', 'runners'], 'argument 1 is not KIND/NAME'],
    [['rm', 'tokn/runners'], '"tokn" is no kind'],
    [['rm', 'node/web-1'], '"web-1" is not a node id'],
    [['rm', 'user/Ada'], 'NAME: "Ada" must start with a lower-case letter'],
  ])('%j is bad usage', async (argv, message) => {
    const ran = await cluster.run(argv)
    expect(ran.stderr).toContain(message)
    expect(ran.status).toBe(2)
  })
})
