import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { token } from '@muster/contracts'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { startTestCluster, type TestCluster } from '../../test/support/cluster.ts'
import { aNode } from '../../test/support/data.ts'
import { createDocuments, startLists, TOKEN, tokenOf, USER, type TestLists } from '../../test/support/documents.ts'

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

const documentSchema = z.strictObject({
  kind: z.enum(['token', 'node', 'user']),
  metadata: z.strictObject({ name: z.string() }),
  spec: z.record(z.string(), z.unknown()),
  status: z.record(z.string(), z.unknown()),
})

describe('get', () => {
  test('musterctl get prints documents that create finds unchanged, without the secret', async () => {
    await create(
      `${TOKEN}---\n${USER}---\n${TOKEN.replace('runners', 'bots').replace('[node, proxy]', '[bot]').replace('max_uses: 5', 'bot_name: ci')}`,
    )
    lists.tokens.push(tokenOf({ id: 'bcdefghijk', maxUses: 1, labels: { a: 'b' } }))
    lists.calls = []
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
    expect(lists.calls).toEqual([])
  })

  test('musterctl get prints one resource by name: a document, an object, a row', async () => {
    await create(`${TOKEN}---\n${USER}`)
    const yaml = await cluster.run(['get', 'token', 'runners', '--format=yaml'])
    expect(yaml.stdout).toMatch(/^kind: token\nmetadata:\n {2}name: runners\nspec:\n/)
    const json = await cluster.run(['get', 'users', 'ada', '-o', 'json'])
    expect(JSON.parse(json.stdout)).toMatchObject({
      kind: 'user',
      metadata: { name: 'ada' },
      spec: { roles: ['viewer'] },
    })
    const node = await cluster.run(['get', 'nodes', aNode.id, '-o', 'json'])
    expect(JSON.parse(node.stdout)).toMatchObject({
      kind: 'node',
      metadata: { name: aNode.id },
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
    expect((await cluster.run(['get', 'node', 'web-1', '-o', 'json'])).stdout).toBe(node.stdout)
    expect(JSON.parse((await cluster.run(['get', 'users', '-o', 'json'])).stdout)).toHaveLength(1)
  })

  test.each([
    [['get'], 2, 'which kind? valid values: tokens, nodes, users'],
    [['get', 'node', 'web 1'], 2, '"web 1" is neither an id nor a host name of a node'],
    [['get', 'node', 'web-9'], 1, 'no node has the id or host name web-9'],
    [['get', 'usrs'], 2, '"usrs" is not a kind; valid values: tokens, nodes, users; did you mean users?'],
    [['get', 'tokens', 'a', 'b'], 2, 'one name at a time'],
    [['get', 'users', 'nobody'], 1, 'no user has that name'],
    [['get', 'tokens', 'nothing'], 1, 'no such token'],
  ])('musterctl get with %j is an error', async (argv, status, message) => {
    const ran = await cluster.run(argv)
    expect(ran.stderr).toContain(message)
    expect(ran.status).toBe(status)
  })

  test('musterctl get rejects signup and static tokens, which have no document', async () => {
    lists.tokens = [tokenOf({ id: 'abcdefghij', type: token.TokenType.STATIC, expiresAt: undefined })]
    expect((await cluster.run(['get', 'tokens', '-o', 'yaml'])).stdout).toBe('')
    expect((await cluster.run(['get', 'tokens', 'abcdefghij'])).stderr).toContain('abcdefghij is a static token')
  })
})
