import type { Output } from '@muster/cli-kit'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { registration } from '@muster/contracts'
import { AppError } from '@muster/domain'
import { eventually } from '@muster/testkit'
import { parseAllDocuments } from 'yaml'
import { startTestCluster, type TestCluster } from '../../../test/support/cluster.ts'
import { aNode as web, NOW } from '../../../test/support/data.ts'

const { NodeStatus } = registration

let cluster: TestCluster

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

describe('nodes watch', () => {
  const node = (value: registration.Node): registration.WatchNodesResponse => ({ event: { $case: 'node', value } })
  const complete: registration.WatchNodesResponse = { event: { $case: 'snapshotComplete', value: {} } }
  const removed = (nodeId: string): registration.WatchNodesResponse => ({
    event: { $case: 'removed', value: { nodeId } },
  })
  const db = { ...web, id: '0b7a7c3e-3a55-4b3f-8a6b-0d9a3f2f7e12', hostname: 'db-01' }

  /** Watches until the output holds `last`, then interrupts. */
  async function watch(argv: readonly string[], last: string, terminal: Partial<Output> = {}) {
    const stop = new AbortController()
    const seen = { stdout: '', stderr: '' }
    const running = cluster.run(['nodes', 'watch', ...argv], {
      now: () => NOW,
      signal: stop.signal,
      stdout: { ...terminal, write: (text) => (seen.stdout += text) },
      stderr: { write: (text) => (seen.stderr += text) },
    })
    await eventually(`shown: ${last}`, () => seen.stdout.includes(last)).finally(() =>
      stop.abort(new Error('interrupted')),
    )
    return { status: (await running).status, ...seen }
  }

  test('nodes watch prints the nodes, then each change, and exits with 0 when interrupted', async () => {
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
      `2026-11-22 18:10 UTC  offline  web-01  ${web.id}  10.0.0.7:22  env=prod,team=web  0.1.0`,
    ])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test.each([['--labels=env=lab'], ['--search=DB-'], ['--search=env=lab'], ['--token=zzzzzzzzzz']])(
    'nodes watch %s prints the nodes that match, and their later changes',
    async (flag) => {
      const lab = { ...db, labels: { env: 'lab' }, tokenId: 'zzzzzzzzzz' }
      cluster.answers.registration = {
        watchNodes: async function* (_request, { signal }) {
          yield* [node(web), node(lab), complete]
          yield node({ ...web, status: NodeStatus.OFFLINE })
          yield removed(web.id)
          yield node({ ...lab, hostname: 'renamed', labels: {}, status: NodeStatus.OFFLINE })
          yield removed(lab.id)
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
        },
      }
      const { stdout } = await watch([flag], 'removed')
      expect(stdout).not.toContain('web-01')
      expect(stdout.trimEnd().split('\n').slice(2)).toEqual([
        expect.stringMatching(/^db-01 /),
        expect.stringMatching(/UTC {2}offline {2}renamed /),
        expect.stringMatching(/UTC {2}removed {2}renamed /),
      ])
      const json = await watch([flag, '--format=json'], 'removed')
      expect(json.stdout).not.toContain(web.id)
    },
  )

  test('nodes watch prints a removed node once', async () => {
    cluster.answers.registration = {
      watchNodes: async function* (_request, { signal }) {
        yield* [node(web), node(db), removed(db.id), complete]
        yield* [removed(web.id), removed(web.id), removed('nobody'), node({ ...db, status: NodeStatus.OFFLINE })]
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
    }
    const { stdout } = await watch([], 'offline')
    const lines = stdout.trimEnd().split('\n')
    expect(lines.slice(2)).toEqual([
      expect.stringMatching(/^web-01 /),
      `2026-11-22 18:10 UTC  removed  web-01  ${web.id}  10.0.0.7:22  env=prod,team=web  0.1.0`,
      `2026-11-22 18:10 UTC  offline  db-01  ${db.id}  10.0.0.7:22  env=prod,team=web  0.1.0`,
    ])
  })

  test('nodes watch prints nodes that were removed while the connection or the presence data was lost', async () => {
    let times = 0
    cluster.answers.registration = {
      watchNodes: async function* (_request, { signal }) {
        times += 1
        if (times === 1) {
          yield* [node(web), node(db), complete, node({ ...web, lastSeenAt: NOW })]
          throw new AppError('unavailable', 'the server is shutting down')
        }
        yield* [node(db), complete]
        yield* [node({ ...web, id: 'another' }), node({ ...web, id: 'another' }), complete]
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
    }
    const { stdout } = await watch([], `removed  db-01`)
    const changes = stdout.trimEnd().split('\n').slice(4)
    expect(changes.map((line) => line.slice('2026-11-22 18:10 UTC  '.length).split('  ').slice(0, 3))).toEqual([
      ['removed', 'web-01', web.id],
      ['online', ' web-01', 'another'],
      ['removed', 'db-01', db.id],
    ])
  })

  test('nodes watch colours the status on a terminal', async () => {
    cluster.answers.registration = {
      watchNodes: async function* (_request, { signal }) {
        yield* [complete, node({ ...web, status: NodeStatus.OFFLINE })]
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
    }
    const { stdout } = await watch([], 'web-01', { isTTY: true, columns: 100 })
    expect(stdout).toContain('2026-11-22 18:10 UTC  \u001b[31moffline\u001b[39m  web-01')
  })

  test('nodes watch reconnects after a lost connection and repeats nothing', async () => {
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

  test('nodes watch prints one JSON object per line, or one YAML document per event', async () => {
    cluster.answers.registration = {
      watchNodes: async function* (_request, { signal }) {
        yield* [node(web), complete, removed(web.id)]
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
    }
    const json = await watch(['--format=json'], 'removed')
    const events = json.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
    expect(events).toMatchObject([
      { event: 'node', node: { hostname: 'web-01' } },
      { event: 'snapshot_complete' },
      { event: 'removed', node_id: web.id },
    ])
    const yaml = await watch(['--format=yaml'], 'node_id')
    expect(parseAllDocuments(yaml.stdout).map((document) => document.toJS() as unknown)).toEqual(events)
  })

  test('nodes watch exits at once after a refusal', async () => {
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
