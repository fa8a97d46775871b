import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { startTestCluster, type TestCluster } from '../../test/support/cluster.ts'
import { aNode } from '../../test/support/data.ts'
import { createDocuments, startLists, TOKEN, USER, type TestLists } from '../../test/support/documents.ts'

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

describe('rm', () => {
  test('musterctl rm removes resources of every kind', async () => {
    await create(`${TOKEN}---\n${USER}`)
    const { status, stdout } = await cluster.run(['rm', 'token/runners', 'users/ada', 'node/web-1'])
    expect(stdout).toBe(`token/runners deleted\nuser/ada deleted\nnode/web-1 deleted\n`)
    expect(lists.calls).toContain(`remove ${aNode.id}`)
    expect({ status, tokens: lists.tokens, people: lists.people }).toEqual({ status: 0, tokens: [], people: [] })
  })

  test('musterctl rm continues after an unknown name, and exits with 1', async () => {
    await create(USER)
    const { status, stdout, stderr } = await cluster.run(['rm', 'token/nothing', 'user/ada', '--format=json'])
    expect(JSON.parse(stdout)).toEqual([{ kind: 'user', name: 'ada', deleted: true }])
    expect(stderr).toBe('musterctl: token/nothing: no such token\n')
    expect(status).toBe(1)
  })

  test.each([
    [['rm'], 'which resource? give KIND/NAME'],
    [['rm', 'runners'], 'argument 1 is not KIND/NAME'],
    [['rm', 'tokn/runners'], '"tokn" is not a kind'],
    [['rm', 'node/web 1'], '"web 1" is neither an id nor a host name of a node'],
    [['rm', 'user/Ada'], 'NAME: "Ada" must start with a lower-case letter'],
  ])('musterctl rm with %j is bad usage', async (argv, message) => {
    const ran = await cluster.run(argv)
    expect(ran.stderr).toContain(message)
    expect(ran.status).toBe(2)
  })
})
