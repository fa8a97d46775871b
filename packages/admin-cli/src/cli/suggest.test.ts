import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { AppError } from '@muster/domain'
import { startTestCluster, type TestCluster } from '../../test/support/cluster.ts'
import { aBot, aNode, aToken, aUser } from '../../test/support/data.ts'

let cluster: TestCluster
beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())
beforeEach(() => {
  cluster.answers = {
    tokens: { listTokens: async () => ({ tokens: [{ ...aToken, name: 'runners' }], nextPageToken: '' }) },
    registration: { listNodes: async () => ({ nodes: [aNode], nextPageToken: '' }) },
    bots: { listBots: async () => ({ bots: [aBot], nextPageToken: '' }) },
    users: { listUsers: async () => ({ users: [aUser], nextPageToken: '' }) },
  }
})

async function after(...words: string[]): Promise<string[]> {
  const { status, stdout, stderr } = await cluster.run(['__complete', '--', ...words])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t')[0]!)
}

describe('the names that completion offers', () => {
  test.each<[string[], string[]]>([
    [
      ['tokens', 'show', ''],
      [aToken.id, 'runners'],
    ],
    [['tokens', 'rm', 'run'], ['runners']],
    [['tokens', 'show', aToken.id, ''], []],
    [
      ['nodes', 'rm', ''],
      [aNode.hostname, aNode.id],
    ],
    [['nodes', 'rm', aNode.id.slice(0, 4)], [aNode.id]],
    [['nodes', 'ls', '--token', 'ru'], ['runners']],
    [['nodes', 'ls', '--older-than', ''], [aNode.version]],
    [['audit', 'ls', `--node=${aNode.hostname.slice(0, 2)}`], [`--node=${aNode.hostname}`]],
    [['bots', 'rm', aBot.name.slice(0, 1)], [aBot.name]],
    [['users', 'reset', ''], [aUser.name]],
    [['users', 'add', ''], []],
    [['get', 'users', ''], [aUser.name]],
    [['get', 'tokens', 'run'], ['runners']],
    [['rm', 'user/'], [`user/${aUser.name}`]],
    [
      ['rm', `user/${aUser.name}`, 'node/'],
      [`node/${aNode.hostname}`, `node/${aNode.id}`],
    ],
  ])('completion of %j offers the names that the cluster has', async (words, expected) => {
    expect(await after(...words)).toEqual(expected)
  })
})

describe('completion that offers nothing', () => {
  test('completion without an identity offers nothing and prints nothing', async () => {
    expect(await after('--identity=/nowhere', 'nodes', 'rm', '')).toEqual([])
  })

  test('completion offers nothing if the cluster refuses', async () => {
    cluster.answers.registration = {
      listNodes: async () => {
        throw new AppError('permissionDenied', 'not for you')
      },
    }
    expect(await after('nodes', 'rm', '')).toEqual([])
  })

  test('completion offers nothing if the cluster does not answer within a second', async () => {
    cluster.answers.registration = { listNodes: () => new Promise(() => {}) }
    const startedAt = performance.now()
    expect(await after('nodes', 'rm', '')).toEqual([])
    // Other calls wait 10 s.
    expect(performance.now() - startedAt).toBeLessThan(7_000)
  })

  test('completion offers no name that could act on the terminal', async () => {
    cluster.answers.registration = {
      listNodes: async () => ({ nodes: [{ ...aNode, hostname: 'web\u001b[2J' }], nextPageToken: '' }),
    }
    expect(await after('nodes', 'rm', '')).toEqual([aNode.id])
  })
})
