import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { registration } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { eventually } from '@muster/testkit'
import { parse as parseYaml, parseAllDocuments } from 'yaml'
import { startTestCluster, type TestCluster } from '../test-cluster.ts'

const NOW = new Date('2026-11-22T18:10:21Z')
const { NodeStatus } = registration

let cluster: TestCluster

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

const web: registration.Node = {
  id: '6805dda3-779e-493b-8a6b-0d9a3f2f7e11',
  hostname: 'web-01',
  roles: ['node'],
  labels: { env: 'prod', team: 'web' },
  version: '0.1.0',
  advertisedAddress: '10.0.0.7:22',
  remoteAddress: '192.0.2.7',
  status: NodeStatus.ONLINE,
  joinedAt: new Date('2026-11-20T08:00:00Z'),
  lastSeenAt: new Date('2026-11-22T18:10:17Z'),
  tokenId: 'abcdefghij',
  certificateExpiresAt: new Date('2026-11-23T08:00:00Z'),
  os: 'linux x64 6.1.0',
}
const db: registration.Node = {
  ...web,
  id: '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e12',
  hostname: 'db-01',
  labels: {},
  advertisedAddress: '',
  status: NodeStatus.PENDING,
  lastSeenAt: undefined,
}

describe('nodes ls', () => {
  beforeEach(() => {
    cluster.answers.registration = {
      listNodes: async ({ pageToken }) =>
        pageToken === '' ? { nodes: [db], nextPageToken: 'more' } : { nodes: [web], nextPageToken: '' },
    }
  })

  test('lists every page, with where each node is and when it was last seen', async () => {
    const { status, stdout } = await cluster.run(['nodes', 'ls'], { now: () => NOW })
    expect(stdout.split('\n')).toEqual([
      'Host    UUID                                  Public Address  Labels             Version  Status   Last Seen',
      '------  ------------------------------------  --------------  -----------------  -------  -------  ---------',
      'db-01   0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e12  192.0.2.7                          0.1.0    pending  never',
      'web-01  6805dda3-779e-493b-8a6b-0d9a3f2f7e11  10.0.0.7:22     env=prod,team=web  0.1.0    online   4s ago',
      '',
    ])
    expect(status).toBe(0)
  })

  test('fits the labels to a terminal and colours the status there', async () => {
    const stdout = { isTTY: true, columns: 102, write: () => {} }
    const ran = await cluster.run(['nodes', 'ls'], { now: () => NOW, stdout })
    expect(ran.stdout).toContain('env=prod,t…  0.1.0    \u001b[32monline \u001b[39m  4s ago\n')
    const plain = await cluster.run(['nodes', 'ls'], { now: () => NOW, stdout, env: { NO_COLOR: '1' } })
    expect(plain.stdout).toContain('env=prod,t…  0.1.0    online   4s ago\n')
  })

  test('prints JSON and YAML with stable keys', async () => {
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
      os: 'linux x64 6.1.0',
      token_id: 'abcdefghij',
      joined_at: '2026-11-20T08:00:00.000Z',
      certificate_expires_at: '2026-11-23T08:00:00.000Z',
    })
    expect(found[0]).toMatchObject({ hostname: 'db-01', public_address: '192.0.2.7', last_seen_at: null })
    const yaml = await cluster.run(['nodes', 'ls', '--format=yaml'])
    expect(parseYaml(yaml.stdout)).toEqual(found)
  })

  test('lets nothing that a node says act on the terminal, in any format', async () => {
    const hostile = { ...web, version: '\u001b[2J1.0\u009b31m', labels: { env: 'a\u202egnp\n' } }
    cluster.answers.registration = { listNodes: async () => ({ nodes: [hostile], nextPageToken: '' }) }
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

  test('says how to add the first node when there is none', async () => {
    cluster.answers.registration = { listNodes: async () => ({ nodes: [], nextPageToken: '' }) }
    const { status, stdout, stderr } = await cluster.run(['nodes', 'ls'])
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
    expect(stderr).toContain('musterctl tokens add --type=node')
  })
})

describe('nodes watch', () => {
  const node = (value: registration.Node): registration.WatchNodesResponse => ({ event: { $case: 'node', value } })
  const complete: registration.WatchNodesResponse = { event: { $case: 'snapshotComplete', value: {} } }

  /** Watches until the output holds `last`, then interrupts. */
  async function watch(argv: readonly string[], last: string) {
    const stop = new AbortController()
    const seen = { stdout: '', stderr: '' }
    const running = cluster.run(['nodes', 'watch', ...argv], {
      now: () => NOW,
      signal: stop.signal,
      stdout: { write: (text) => (seen.stdout += text) },
      stderr: { write: (text) => (seen.stderr += text) },
    })
    await eventually(`shown: ${last}`, () => seen.stdout.includes(last)).finally(() =>
      stop.abort(new Error('interrupted')),
    )
    return { status: (await running).status, ...seen }
  }

  test('prints the roll, then each change, and ends with 0 when interrupted', async () => {
    cluster.answers.registration = {
      watchNodes: async function* (_request, { signal }) {
        yield* [node(web), complete]
        yield node({ ...web, lastSeenAt: NOW })
        yield node({ ...web, status: NodeStatus.OFFLINE })
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
    }
    const { status, stdout, stderr } = await watch([], 'offline')
    const lines = stdout.trimEnd().split('\n')
    expect(lines[2]).toContain(`web-01  ${web.id}`)
    expect(lines.slice(3)).toEqual([
      `2026-11-22T18:10:21Z  offline  web-01  ${web.id}  10.0.0.7:22  env=prod,team=web  0.1.0`,
    ])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test('comes back after the connection is lost, and repeats nothing', async () => {
    let times = 0
    cluster.answers.registration = {
      watchNodes: async function* (_request, { signal }) {
        times += 1
        yield* [node(web), complete]
        if (times === 1) throw new AppError('unavailable', 'the server is shutting down')
        yield node({ ...web, status: NodeStatus.OFFLINE })
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
    }
    const { status, stdout, stderr } = await watch([], 'offline')
    expect(stdout.match(/web-01/g)).toHaveLength(2)
    expect(stderr).toMatch(/the server is shutting down; trying again\n$/)
    expect(status).toBe(0)
  })

  test('prints an object per line, or a document per event', async () => {
    cluster.answers.registration = {
      watchNodes: async function* (_request, { signal }) {
        yield* [node(web), complete]
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
    }
    const json = await watch(['--format=json'], 'snapshot_complete')
    const events = json.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
    expect(events).toMatchObject([{ event: 'node', node: { hostname: 'web-01' } }, { event: 'snapshot_complete' }])
    const yaml = await watch(['--format=yaml'], 'snapshot_complete')
    expect(parseAllDocuments(yaml.stdout).map((document) => document.toJS() as unknown)).toEqual(events)
  })

  test('gives up at once when it was refused', async () => {
    cluster.answers.registration = {
      watchNodes: () => {
        throw new AppError('permissionDenied', 'this needs an operator with the role viewer')
      },
    }
    const { status, stderr } = await cluster.run(['nodes', 'watch'])
    expect(stderr).toContain('registration-service refused: this needs an operator with the role viewer\n')
    expect(status).toBe(1)
  })
})
