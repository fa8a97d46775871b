import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { audit } from '@muster/contracts'
import { AppError, AUDITED_SERVICES, type AuditedService } from '@muster/domain'
import { eventually } from '@muster/testkit'
import { parseAllDocuments } from 'yaml'
import { startTestCluster, type Ran, type TestCluster } from '../../../test/support/cluster.ts'
import { NOW } from '../../../test/support/data.ts'

let cluster: TestCluster
/** What each service answers to each call in turn; after that it says nothing. */
let script: Partial<Record<AuditedService, (audit.WatchEventsResponse | AppError)[][]>>
let asked: { service: AuditedService; request: audit.WatchEventsRequest }[]
let stop: AbortController

beforeAll(async () => {
  cluster = await startTestCluster()
})
afterAll(() => cluster.close())

beforeEach(() => {
  script = {}
  asked = []
  stop = new AbortController()
  const answers = (service: AuditedService) => ({
    watchEvents: async function* (request: audit.WatchEventsRequest, { signal }: { signal: AbortSignal }) {
      asked.push({ service, request })
      for (const message of script[service]?.shift() ?? [position('start')]) {
        if (message instanceof AppError) throw message
        yield message
      }
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
  })
  cluster.answers = { audit: Object.fromEntries(AUDITED_SERVICES.map((service) => [service, answers(service)])) }
})
afterEach(() => stop.abort())

function event(action: string, overrides: Partial<audit.AuditEvent> = {}): audit.WatchEventsResponse {
  const value: audit.AuditEvent = {
    id: action,
    service: 'token-service',
    at: NOW,
    action,
    actor: 'spiffe://muster.internal/user/alice',
    remoteAddress: '192.0.2.7',
    outcome: 1,
    reason: '',
    tokenId: '',
    nodeId: '',
    detailsJson: '{}',
    count: 1,
    lastAt: undefined,
    ...overrides,
  }
  return { message: { $case: 'event', value } }
}

function position(value: string): audit.WatchEventsResponse {
  return { message: { $case: 'position', value } }
}

const lost = new AppError('unavailable', 'the server is shutting down; try again')

/** Follows until the output holds all of `last`, then interrupts. */
async function tail(argv: readonly string[], ...last: string[]): Promise<Ran> {
  const seen = { stdout: '', stderr: '' }
  const running = cluster.run(['audit', 'tail', ...argv], {
    now: () => NOW,
    signal: stop.signal,
    stdout: { write: (text) => (seen.stdout += text) },
    stderr: { write: (text) => (seen.stderr += text) },
  })
  await eventually(`shown: ${last.join(', ')}`, () => last.every((text) => seen.stdout.includes(text))).finally(() =>
    stop.abort(new Error('interrupted')),
  )
  return running
}

function actionsOf({ stdout }: Ran): string[] {
  const lines = stdout.trimEnd().split('\n')
  return lines.map((line) => (JSON.parse(line) as { action: string }).action)
}

describe('audit tail', () => {
  test('audit tail prints the events of each service under one header, and exits with 0 when interrupted', async () => {
    script = {
      'token-service': [[position('1'), event('token.create', { tokenId: 'abcdefghij' })]],
      'registration-service': [
        [position('1'), event('node.join', { actor: 'anonymous', outcome: 2, reason: 'TOKEN_UNKNOWN', count: 3 })],
      ],
    }
    const { status, stdout, stderr } = await tail([], 'token.create', 'node.join')
    const [head, line, ...events] = stdout.trimEnd().split('\n')
    expect(head).toMatch(/^Time +Outcome +Action +Actor +Address +Token +Node +Reason +Count +Details$/)
    expect(line).toMatch(/^-/)
    expect(events.sort()).toEqual([
      expect.stringMatching(/^2026-11-22 18:10 UTC {2}ok +token.create +user\/alice +192.0.2.7 +abcdefghij$/),
      expect.stringMatching(/^2026-11-22 18:10 UTC {2}refused +node.join +anonymous +192.0.2.7 +TOKEN_UNKNOWN +3$/),
    ])
    expect(events.map((text) => text.indexOf('192.0.2.7'))).toEqual([
      head!.indexOf('Address'),
      head!.indexOf('Address'),
    ])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test('audit tail prints one JSON object per line, or one YAML document per event', async () => {
    script = { 'token-service': [[position('1'), event('a.b'), event('c.d'), position('2')]] }
    const json = await tail(['--format=json'], 'c.d')
    const objects = json.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
    expect(objects).toMatchObject([{ action: 'a.b', at: '2026-11-22T18:10:21.000Z' }, { action: 'c.d' }])
    stop = new AbortController()
    script = { 'token-service': [[position('1'), event('a.b'), event('c.d'), position('2')]] }
    const yaml = await tail(['--format=yaml'], 'c.d')
    expect(parseAllDocuments(yaml.stdout).map((document) => document.toJS() as unknown)).toEqual(objects)
  })

  test('audit tail continues after a lost connection from the last position, and repeats nothing', async () => {
    script = {
      'token-service': [
        [position('one'), event('a'), position('two'), event('b'), event('c'), lost],
        // Events after the last position come again, and an event whose count grew is a new one.
        [position('two'), event('b'), event('c'), event('c', { count: 2 }), event('d')],
      ],
    }
    const ran = await tail(['--format=json'], '"d"')
    expect(actionsOf(ran)).toEqual(['a', 'b', 'c', 'c', 'd'])
    expect(ran.stderr).toMatch(/^musterctl: token-service .*the server is shutting down.*; trying again\n$/)
    const positions = asked.filter(({ service }) => service === 'token-service')
    expect(positions.map(({ request }) => request.afterPosition)).toEqual(['', 'two'])
    expect(ran.status).toBe(0)
  })

  test('audit tail keeps retrying a service that is down while others are up', async () => {
    script = {
      'token-service': [[position('1'), event('first')]],
      'ca-service': [[lost], [lost], [position('1'), event('back')]],
    }
    const ran = await tail(['--format=json'], 'first', 'back')
    expect(actionsOf(ran).sort()).toEqual(['back', 'first'])
    expect(ran.stderr).toContain('ca-service')
    expect(ran.status).toBe(0)
  })

  test('audit tail fails if no service can be reached at the start', async () => {
    script = Object.fromEntries(AUDITED_SERVICES.map((service) => [service, Array.from({ length: 20 }, () => [lost])]))
    const { status, stderr } = await cluster.run(['audit', 'tail', '--format=json'])
    expect(stderr).toMatch(/is not available: the server is shutting down; try again\n/)
    expect(status).toBe(1)
  })

  test('audit tail exits at once after a refusal', async () => {
    script = { 'ca-service': [[new AppError('permissionDenied', 'this needs an operator with the role viewer')]] }
    const { status, stderr } = await cluster.run(['audit', 'tail'])
    expect(stderr).toContain('ca-service refused: this needs an operator with the role viewer\n')
    expect(status).toBe(1)
  })

  test('audit tail sends the filters of the flags', async () => {
    script = { 'token-service': [[position('1'), event('a')]] }
    await tail(['--type=node', '--outcome=refused', '--format=json'], '"a"')
    await eventually('asked everywhere', () => asked.length === 3)
    for (const { request } of asked) {
      expect(request.filter).toMatchObject({ action: 'node', outcome: 2, since: undefined })
    }
  })
})
