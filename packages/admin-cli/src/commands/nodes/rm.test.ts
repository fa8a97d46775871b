import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { AppError } from '@muster/domain'
import { parse as parseYaml } from 'yaml'
import { startTestCluster, type TestCluster } from '../../../test/support/cluster.ts'
import { aNode } from '../../../test/support/data.ts'

const WEB = '6805dda3-779e-493b-8a6b-0d9a3f2f7e11'
const TWIN = '6805dda3-779e-4444-8a6b-0d9a3f2f7e12'
const DB = '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e12'

let cluster: TestCluster
let removed: string[]
let listed: number

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

beforeEach(() => {
  removed = []
  listed = 0
  cluster.answers.registration = {
    async removeNode({ nodeId }) {
      if (![WEB, TWIN, DB].includes(nodeId))
        throw new AppError('notFound', 'no such node', { reason: 'NODE_NOT_FOUND' })
      removed.push(nodeId)
      return { node: { ...aNode, id: nodeId, hostname: nodeId === DB ? 'db-01' : 'web-01' } }
    },
    async listNodes({ pageToken }) {
      listed += 1
      const ids = pageToken === '' ? [DB, WEB] : [TWIN]
      return { nodes: ids.map((id) => ({ ...aNode, id })), nextPageToken: pageToken === '' ? 'more' : '' }
    },
  }
})

const rm = (...args: string[]) => cluster.run(['nodes', 'rm', ...args])

describe('nodes rm', () => {
  test('takes whole ids, and does not read the roll for them', async () => {
    const { status, stdout, stderr } = await rm(WEB, DB.toUpperCase())
    expect(stdout).toBe(
      `Node web-01 (${WEB}) is off the roll; it comes back only by a token\n` +
        `Node db-01 (${DB}) is off the roll; it comes back only by a token\n`,
    )
    expect({ status, stderr, removed, listed }).toEqual({ status: 0, stderr: '', removed: [WEB, DB], listed: 0 })
  })

  test('takes the beginning of an id if one node alone has it, and reads the roll once', async () => {
    expect((await rm('0b7a7c3e', '6805dda3-779e-49')).status).toBe(0)
    expect({ removed, listed }).toEqual({ removed: [DB, WEB], listed: 2 })
  })

  test('prints what was removed as JSON and YAML', async () => {
    const { stdout } = await rm(WEB, '--format=json')
    expect(JSON.parse(stdout)).toEqual([{ id: WEB, hostname: 'web-01', deleted: true }])
    expect(parseYaml((await rm(WEB, '--format=yaml')).stdout)).toEqual(JSON.parse(stdout))
  })

  test('goes on after one that is not there or not told apart, and ends with 1', async () => {
    const gone = 'ffffffff-779e-493b-8a6b-0d9a3f2f7e11'
    const { status, stdout, stderr } = await rm('6805dda3', 'eeeeeeee', gone, DB)
    expect(stdout).toContain(DB)
    expect(stderr).toBe(
      'musterctl: 6805dda3: more than one node id begins so; give more of it\n' +
        "musterctl: eeeeeeee: no such node; 'musterctl nodes ls' shows those there are.\n" +
        `musterctl: ${gone}: no such node; 'musterctl nodes ls' shows the nodes that exist.\n`,
    )
    expect({ status, removed }).toEqual({ status: 1, removed: [DB] })
  })

  test.each([
    [[], 'which node? '],
    [['web-01'], '"web-01" is not a node id, nor at least 8 characters of one; '],
    [['6805dda'], '"6805dda" is not a node id'],
    [['6805dda3779e'], '"6805dda3779e" is not a node id'],
    [[WEB, '--------'], '"--------" is not a node id'],
  ])('%j is bad usage, and nothing is removed', async (args, message) => {
    const { status, stderr } = await rm('--', ...args)
    expect(stderr).toContain(message)
    expect({ status, removed }).toEqual({ status: 2, removed: [] })
  })
})
