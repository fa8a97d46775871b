import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { registration } from '@muster/contracts'
import { refusal } from '@muster/domain'
import { parse as parseYaml } from 'yaml'
import { startTestCluster, type TestCluster } from '../../../test/support/cluster.ts'
import { aNode } from '../../../test/support/data.ts'

const WEB = '6805dda3-779e-493b-8a6b-0d9a3f2f7e11'
const TWIN = '6805dda3-779e-4444-8a6b-0d9a3f2f7e12'
const DB = '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e12'

let cluster: TestCluster
let removed: string[]
/** The texts that the roll was searched for. */
let listed: string[]

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

beforeEach(() => {
  removed = []
  listed = []
  cluster.answers.registration = {
    async removeNode({ nodeId }) {
      if (![WEB, TWIN, DB].includes(nodeId)) throw refusal('NODE_NOT_FOUND', 'no such node')
      removed.push(nodeId)
      return { node: { ...aNode, id: nodeId, hostname: nodeId === DB ? 'db-01' : 'web-01' } }
    },
    async listNodes({ pageToken, search }) {
      listed.push(search)
      const nodes = [
        { ...aNode, id: DB, hostname: 'db-01' },
        { ...aNode, id: WEB },
        { ...aNode, id: TWIN, status: registration.NodeStatus.OFFLINE },
      ]
      return pageToken === ''
        ? { nodes: nodes.slice(0, 2), nextPageToken: 'more' }
        : { nodes: nodes.slice(2), nextPageToken: '' }
    },
  }
})

const rm = (...args: string[]) => cluster.run(['nodes', 'rm', ...args])

describe('nodes rm', () => {
  test('nodes rm removes by whole ids without listing the nodes', async () => {
    const { status, stdout, stderr } = await rm(WEB, DB.toUpperCase())
    expect(stdout).toBe(
      `Node web-01 (${WEB}) is removed; it needs a new token to come back\n` +
        `Node db-01 (${DB}) is removed; it needs a new token to come back\n`,
    )
    expect({ status, stderr, removed, listed }).toEqual({ status: 0, stderr: '', removed: [WEB, DB], listed: [] })
  })

  test('nodes rm removes by the beginning of an id that only one node has, and asks the server for its matches only', async () => {
    expect((await rm('0b7a7c3e', '6805dda3-779e-49')).status).toBe(0)
    expect(removed).toEqual([DB, WEB])
    expect(new Set(listed)).toEqual(new Set(['0b7a7c3e', '6805dda3-779e-49']))
  })

  test('nodes rm removes by a host name in any case that only one node has', async () => {
    expect((await rm('DB-01')).status).toBe(0)
    expect(removed).toEqual([DB])
  })

  test('nodes rm lists the candidates for a host name that two nodes have, and removes neither', async () => {
    const { status, stderr } = await rm('web-01')
    expect(stderr).toBe(
      'musterctl: web-01 names 2 nodes; give the id of one: ' +
        `${WEB} (web-01, 10.0.0.7:22, online), ${TWIN} (web-01, 10.0.0.7:22, offline).\n`,
    )
    expect({ status, removed }).toEqual({ status: 1, removed: [] })
  })

  test('nodes rm prints what was removed as JSON and YAML', async () => {
    const { stdout } = await rm(WEB, '--format=json')
    expect(JSON.parse(stdout)).toEqual([{ id: WEB, hostname: 'web-01', deleted: true }])
    expect(parseYaml((await rm(WEB, '--format=yaml')).stdout)).toEqual(JSON.parse(stdout))
  })

  test('nodes rm continues after an unknown or ambiguous name, and exits with 1', async () => {
    const gone = 'ffffffff-779e-493b-8a6b-0d9a3f2f7e11'
    const { status, stdout, stderr } = await rm('6805dda3', 'eeeeeeee', gone, DB)
    expect(stdout).toContain(DB)
    expect(stderr).toBe(
      `musterctl: 6805dda3 names 2 nodes; give the id of one: ${WEB} (web-01, 10.0.0.7:22, online), ${TWIN} (web-01, 10.0.0.7:22, offline).\n` +
        "musterctl: no node has the id or host name eeeeeeee; 'musterctl nodes ls' shows the nodes there are; of an id give at least 8 characters.\n" +
        `musterctl: ${gone}: no such node; 'musterctl nodes ls' shows the nodes that exist.\n`,
    )
    expect({ status, removed }).toEqual({ status: 1, removed: [DB] })
  })

  test.each(['6805dda', '6805dda3779e'])('nodes rm does not take %j for the beginning of an id', async (text) => {
    const { status, stderr } = await rm(text)
    expect(stderr).toContain(`no node has the id or host name ${text}`)
    expect({ status, removed }).toEqual({ status: 1, removed: [] })
  })

  test.each([
    [[], 'which node? '],
    [['web 01'], '"web 01" is neither an id nor a host name of a node; '],
    [[WEB, '--------'], '"--------" is neither an id'],
    [['mtk_abcdefghij_klmnopqrstuvwxyz234567abcdefghij'], 'is neither an id'],
  ])('nodes rm with %j is bad usage, and removes nothing', async (args, message) => {
    const { status, stderr } = await rm('--', ...args)
    expect(stderr).toContain(message)
    expect(stderr).not.toContain('klmnopqr')
    expect({ status, removed }).toEqual({ status: 2, removed: [] })
  })
})
