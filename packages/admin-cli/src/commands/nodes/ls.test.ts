import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { registration } from '@muster/contracts'
import { parse as parseYaml } from 'yaml'
import { startTestCluster, type TestCluster } from '../../../test/support/cluster.ts'
import { aNode as web, aToken, NOW, SECRET } from '../../../test/support/data.ts'

const { NodeStatus } = registration

let cluster: TestCluster

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

const db: registration.Node = {
  ...web,
  id: '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e12',
  hostname: 'db-01',
  labels: {},
  advertisedAddress: '',
  status: NodeStatus.PENDING,
  lastSeenAt: undefined,
}

const worker: registration.Node = {
  ...web,
  id: '9c7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e14',
  hostname: 'worker',
  status: NodeStatus.OFFLINE,
}

describe('nodes ls', () => {
  let asked: registration.ListNodesRequest[]

  beforeEach(() => {
    asked = []
    answer(({ pageToken }) =>
      pageToken === '' ? { nodes: [db, web], nextPageToken: 'more' } : { nodes: [worker], nextPageToken: '' },
    )
  })

  function answer(page: (request: registration.ListNodesRequest) => registration.ListNodesResponse) {
    cluster.answers = {
      registration: {
        async listNodes(request) {
          asked.push(request)
          return page(request)
        },
      },
    }
  }

  test('nodes ls lists every page, with the address of each node and the time it was last seen', async () => {
    const { status, stdout } = await cluster.run(['nodes', 'ls'], { now: () => NOW })
    expect(stdout.split('\n')).toEqual([
      'Host    UUID                                  Public Address  Labels             Version  Status   Last Seen',
      '------  ------------------------------------  --------------  -----------------  -------  -------  ---------',
      'db-01   0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e12  192.0.2.7                          0.1.0    pending  never',
      'web-01  6805dda3-779e-493b-8a6b-0d9a3f2f7e11  10.0.0.7:22     env=prod,team=web  0.1.0    online   4s ago',
      'worker  9c7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e14  10.0.0.7:22     env=prod,team=web  0.1.0    offline  4s ago',
      '',
    ])
    expect(asked).toMatchObject([
      { pageSize: 1000, pageToken: '', tokenId: '' },
      { pageSize: 1000, pageToken: 'more', tokenId: '' },
    ])
    expect(status).toBe(0)
  })

  test('nodes ls --token lists the nodes that joined with it, by its id or name', async () => {
    cluster.answers.tokens = { getToken: async ({ idOrName }) => ({ token: { ...aToken, name: idOrName } }) }
    for (const given of ['abcdefghij', 'web', SECRET]) await cluster.run(['nodes', 'ls', `--token=${given}`])
    expect(new Set(asked.map(({ tokenId }) => tokenId))).toEqual(new Set(['abcdefghij']))
    answer(() => ({ nodes: [], nextPageToken: '' }))
    const { status, stderr } = await cluster.run(['nodes', 'ls', '--token=abcdefghij'])
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: "No node matches. 'musterctl nodes ls' without filters lists all of them.\n",
    })
  })

  test('nodes ls hides columns that a terminal has no room for, names them, and colours the status', async () => {
    const stdout = { isTTY: true, columns: 102, write: () => {} }
    const ran = await cluster.run(['nodes', 'ls'], { now: () => NOW, stdout })
    expect(ran.stdout).toContain('10.0.0.7:22     env=prod,team=web  \u001b[32monline\u001b[39m   4s ago\n')
    expect(ran.stderr).toBe('Not shown: Version. Widen the terminal, or add -o json.\n')
    const plain = await cluster.run(['nodes', 'ls'], { now: () => NOW, stdout, env: { NO_COLOR: '1' } })
    expect(plain.stdout).toContain('10.0.0.7:22     env=prod,team=web  online   4s ago\n')
  })

  test('nodes ls marks a node whose agent is too old, with and without a version', async () => {
    const nodes = ['0.0.9', ''].map((version) => ({ ...web, version, outdated: true }))
    answer(() => ({ nodes: [...nodes, worker], nextPageToken: '' }))
    const { stdout } = await cluster.run(['nodes', 'ls'], { now: () => NOW })
    const versions = stdout
      .split('\n')
      .slice(2, 5)
      .map((line) => /team=web +(.*?) +(online|offline)/.exec(line)?.[1])
    expect(versions).toEqual(['0.0.9 (outdated)', '(outdated)', '0.1.0'])
    const listed = JSON.parse((await cluster.run(['nodes', 'ls', '-o', 'json'])).stdout) as { outdated: boolean }[]
    expect(listed.map(({ outdated }) => outdated)).toEqual([true, true, false])
  })

  test('nodes ls prints JSON and YAML with stable keys', async () => {
    const { stdout } = await cluster.run(['nodes', 'ls', '--format=json'])
    const found = JSON.parse(stdout) as unknown[]
    expect(found[1]).toEqual({
      id: web.id,
      hostname: 'web-01',
      status: 'online',
      last_seen_at: '2026-11-22T18:10:17.000Z',
      public_address: '10.0.0.7:22',
      remote_address: '192.0.2.7',
      roles: ['node'],
      labels: { env: 'prod', team: 'web' },
      version: '0.1.0',
      outdated: false,
      os: 'linux x64 6.1.0',
      token_id: 'abcdefghij',
      joined_at: '2026-11-20T08:00:00.000Z',
      certificate_expires_at: '2026-11-23T08:00:00.000Z',
      ban: null,
      clone: null,
    })
    expect(found[0]).toMatchObject({ hostname: 'db-01', public_address: '192.0.2.7', last_seen_at: null })
    const yaml = await cluster.run(['nodes', 'ls', '--format=yaml'])
    expect(parseYaml(yaml.stdout)).toEqual(found)
  })

  test('nodes ls escapes what a node reports, in every format, so that it cannot control the terminal', async () => {
    const hostile = { ...web, version: '\u001b[2J1.0\u009b31m', labels: { env: 'a\u202egnp\n' } }
    answer(() => ({ nodes: [hostile], nextPageToken: '' }))
    for (const format of ['text', 'json', 'yaml']) {
      const { stdout } = await cluster.run(['nodes', 'ls', `--format=${format}`])
      // eslint-disable-next-line no-control-regex
      expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
    }
    const { stdout } = await cluster.run(['nodes', 'ls', '--format=json'])
    expect((JSON.parse(stdout) as { version: string }[])[0]!.version).toBe(hostile.version)
    const yaml = await cluster.run(['nodes', 'ls', '--format=yaml'])
    expect(parseYaml(yaml.stdout)).toEqual(JSON.parse(stdout))
  })

  test('nodes ls asks the server for the nodes that the flags choose, page after page', async () => {
    answer(({ pageToken }) => ({ nodes: [], nextPageToken: pageToken === '' ? 'more' : '' }))
    const flags = [
      '--labels=env=prod,team=web',
      '--status=online, Offline',
      '--search=web',
      '--token=abcdefghij',
      '--older-than=v1.4.0',
    ]
    const { status, stderr } = await cluster.run(['nodes', 'ls', ...flags])
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: "No node matches. 'musterctl nodes ls' without filters lists all of them.\n",
    })
    const { ONLINE, OFFLINE } = registration.NodeStatus
    const filter = {
      labels: { env: 'prod', team: 'web' },
      statuses: [ONLINE, OFFLINE],
      search: 'web',
      tokenId: 'abcdefghij',
      olderThan: '1.4.0',
    }
    expect(asked).toEqual([expect.objectContaining(filter), expect.objectContaining({ ...filter, pageToken: 'more' })])
  })

  test.each([...new Set(Object.values(registration.NodeStatus))].filter((status) => status !== 0))(
    'nodes ls has a word for status %d, which its filter takes',
    async (status) => {
      answer(() => ({ nodes: [{ ...web, status }], nextPageToken: '' }))
      const found = JSON.parse((await cluster.run(['nodes', 'ls', '-o', 'json'])).stdout) as { status: string }[]
      await cluster.run(['nodes', 'ls', `--status=${found[0]!.status}`])
      expect(asked.map(({ statuses }) => statuses)).toEqual([[], [status]])
    },
  )

  test.each([
    ['--status=away', '--status: "away" is not known; valid values: pending, online, offline, expired, unknown'],
    ['--labels=env', '--labels: "env" is not key=value'],
    ['--older-than=1.4', '--older-than: "1.4" is not a version such as 1.2.3'],
    ['--token=A', 'that is neither a token id nor a name'],
  ])('nodes ls with %s is bad usage', async (flag, message) => {
    const { status, stderr } = await cluster.run(['nodes', 'ls', flag])
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining(message) })
  })

  test('nodes ls without nodes says how to add the first node', async () => {
    answer(() => ({ nodes: [], nextPageToken: '' }))
    const { status, stdout, stderr } = await cluster.run(['nodes', 'ls'])
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
    expect(stderr).toContain('musterctl tokens add --type=node')
  })
})
