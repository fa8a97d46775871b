import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { formatInvitation, refusal } from '@muster/domain'
import { createLineLog, VERSION } from '@muster/runtime'
import { eventually, manualClock } from '@muster/testkit'
import { BOT_TOKEN, NODE_TOKEN, startTestRegistration, type TestRegistration } from '../../test/support/registration.ts'
import { main } from '../cli.ts'
import { BeatRecorder, readBeatRecord } from './beat-recorder.ts'
import { readReport } from './report.ts'

let folder: string
let dataDir: string
let number = 0
let server: TestRegistration
const stops: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-status-'))
})
beforeEach(async () => {
  dataDir = path.join(folder, String(++number))
  server = await startTestRegistration()
})
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
  await server.close()
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

async function run(argv: readonly string[], signal = new AbortController().signal) {
  const ran = { stdout: '', stderr: '' }
  const keep = (name: keyof typeof ran) => ({ write: (text: string) => (ran[name] += text) })
  const io = {
    stdout: keep('stdout'),
    stderr: keep('stderr'),
    env: { MUSTER_AGENT_CONFIG_FILE: '/dev/null' },
    cwd: folder,
    signal,
  }
  return { status: await main([...argv, `--data-dir=${dataDir}`], io), ...ran }
}

/** Starts an agent that joins, and waits until its beat is on disk. */
async function startAgent(...flags: string[]) {
  const { address, pin } = server
  const stop = new AbortController()
  const invitation = formatInvitation({ address, token: NODE_TOKEN, caPins: [pin], roles: ['node'] })
  const ended = run(['start', invitation, '--nodename=web-1', ...flags], stop.signal)
  const end = () => {
    stop.abort()
    return ended
  }
  stops.push(end)
  await eventually('a beat on disk', () => readBeatRecord(dataDir)?.lastBeatAt !== undefined)
  return { ended, stop: end }
}

async function statusJson(): Promise<{ status: number; report: Record<string, unknown> }> {
  const { status, stdout } = await run(['status', '--format=json'])
  return { status, report: JSON.parse(stdout) as Record<string, unknown> }
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as { port: number }
  await new Promise((resolve) => probe.close(resolve))
  return port
}

describe('muster status', () => {
  test('muster status says that a machine has not joined, with exit status 1, and leaves no trace', async () => {
    const { status, stdout } = await run(['status'])
    expect(status).toBe(1)
    expect(stdout).toMatch(/^Joined +no$/m)
    expect(stdout).toContain(`- this machine has not joined a cluster: ${dataDir} holds no identity\n`)
    expect(await readdir(folder)).not.toContain(String(number))
    expect((await statusJson()).report).toMatchObject({ joined: false, ok: false, node_id: null, roles: [] })
  })

  test('muster status shows the identity, the certificate and the last beat of a node whose agent runs', async () => {
    await startAgent()
    const { status, report } = await statusJson()
    expect(report).toEqual({
      joined: true,
      ok: true,
      cluster_name: 'test.muster.internal',
      node_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      bot_name: null,
      hostname: 'web-1',
      roles: ['node'],
      auth_server: server.address,
      certificate_expires_at: expect.stringMatching(/Z$/),
      last_beat_at: expect.stringMatching(/Z$/),
      trust_bundle_version: 1,
      agent_pid: process.pid,
      data_dir: dataDir,
      version: VERSION,
      server_version: VERSION,
      minimum_agent_version: null,
      problems: [],
      warnings: [],
    })
    expect(status).toBe(0)
    const { stdout } = await run(['status'])
    expect(stdout).toMatch(/^Joined +yes, test\.muster\.internal$/m)
    expect(stdout).toMatch(/^Last beat +.* ago\)$/m)
    expect(stdout).toMatch(/^Problems +none$/m)
  })

  test('muster status of an agent older than the oldest supported warns, once in the log, and nothing is wrong', async () => {
    server.minimumVersion = '99.0.0'
    const port = await freePort()
    const agent = await startAgent(`--diag-addr=127.0.0.1:${port}`)
    const advice = `the agent has version ${VERSION}, and the cluster supports 99.0.0 and later; upgrade it: sudo muster upgrade`
    const { status, report } = await statusJson()
    expect(report).toMatchObject({ ok: true, minimum_agent_version: '99.0.0', problems: [], warnings: [advice] })
    expect(status).toBe(0)
    const { stdout } = await run(['status'])
    expect(stdout).toMatch(/^Problems +none$/m)
    expect(stdout).toContain(`Warnings      1\n- ${advice}\n`)
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`)
    expect(ready.status).toBe(200)
    expect(await ready.json()).toMatchObject({ ok: true, warnings: [advice] })
    const { stderr } = await agent.stop()
    expect(stderr.split(advice)).toHaveLength(2)
  })

  test('muster status says that the agent is still the one before an upgrade, and after a restart no more', async () => {
    await startAgent()
    const file = path.join(dataDir, 'status.json')
    const record = JSON.parse(await readFile(file, 'utf8')) as { versions: { agentVersion: string } }
    await writeFile(file, JSON.stringify({ ...record, versions: { ...record.versions, agentVersion: '0.0.9' } }))
    const warning = `the agent that runs has version 0.0.9, and this program ${VERSION}; restart the agent`
    expect((await statusJson()).report).toMatchObject({ ok: true, warnings: [warning] })
  })

  test('muster status says that no agent runs, after a stop', async () => {
    const agent = await startAgent()
    await agent.stop()
    const { status, report } = await statusJson()
    expect(report['problems']).toEqual([expect.stringContaining('no agent runs here')])
    expect(status).toBe(1)
  })

  test('muster status says why the cluster refused the node, after the agent has ended', async () => {
    const agent = await startAgent()
    server.refuseBeats(refusal('NODE_UNKNOWN', 'this node was removed'))
    expect((await agent.ended).status).toBe(3)
    const { report } = await statusJson()
    expect(report['problems']).toContainEqual(
      expect.stringMatching(/^since .* UTC: this node was removed \(NODE_UNKNOWN\)/),
    )
  })

  test('muster status says since when and why the cluster cannot be reached, and /readyz is 503 meanwhile', async () => {
    const port = await freePort()
    await startAgent(`--diag-addr=127.0.0.1:${port}`)
    await server.close()
    await eventually('trouble', () => readBeatRecord(dataDir)?.trouble !== undefined)
    const { status, report } = await statusJson()
    expect(report['problems']).toEqual([expect.stringMatching(/^since .* UTC: registration-service cannot be reached/)])
    expect(status).toBe(1)
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(503)
  })

  test('muster status asks for no agent and no heartbeats of a bot', async () => {
    const invitation = formatInvitation({
      address: server.address,
      token: BOT_TOKEN,
      caPins: [server.pin],
      roles: ['bot'],
    })
    await run(['start', '--oneshot', invitation])
    const { status, report } = await statusJson()
    expect(report).toMatchObject({ ok: true, bot_name: 'ci', roles: ['bot'], last_beat_at: null, agent_pid: null })
    expect(status).toBe(0)
    expect((await run(['status'])).stdout).toMatch(/^Bot +ci \(instance /m)
  })

  test.each([
    ['has expired', 2 * 3_600_000, /^the certificate expired at .*join again with a token$/],
    ['should have been renewed', 0.95 * 3_600_000, /^the certificate should have been renewed by now/],
  ])('the report says that a certificate %s', async (_what, laterMs, problem) => {
    await startAgent()
    const { problems } = await readReport({ dataDir, now: new Date(Date.now() + laterMs) })
    expect(problems[0]).toMatch(problem)
  })

  test('the report says that the cluster has fallen silent, a little later from the record on disk', async () => {
    await startAgent()
    const { lastBeatAt } = readBeatRecord(dataDir)!
    const record = { lastBeatAt, offlineAfterMs: 3_000 }
    const at = (laterMs: number) => new Date(lastBeatAt!.getTime() + laterMs)
    const silent = [expect.stringContaining('the cluster has answered no heartbeat since')]
    expect((await readReport({ dataDir, now: at(3_000), beats: { record } })).problems).toEqual([])
    expect((await readReport({ dataDir, now: at(3_001), beats: { record } })).problems).toEqual(silent)
    expect((await readReport({ dataDir, now: at(33_000) })).problems).toEqual([])
    expect((await readReport({ dataDir, now: at(34_000) })).problems).toEqual(silent)
  })

  test('muster status names a damaged identity', async () => {
    await (await startAgent()).stop()
    await writeFile(path.join(dataDir, 'chain.pem'), 'nothing')
    const { status, stderr } = await run(['status'])
    expect(stderr).toContain(`the identity in ${dataDir} is damaged`)
    expect(status).toBe(1)
  })
})

describe('the record of beats', () => {
  test('the record of beats is written at the first beat, every half minute, and whenever trouble begins or ends', async () => {
    const clock = manualClock()
    const beats = new BeatRecorder(folder, { clock, log: createLineLog(() => {}) })
    const seen = () => readBeatRecord(folder)
    beats.beat()
    const first = clock.now()
    expect(seen()).toEqual({ lastBeatAt: first, offlineAfterMs: 15_000, trouble: undefined })
    await clock.advance(29_000)
    beats.beat()
    expect(seen()!.lastBeatAt).toEqual(first)
    await clock.advance(1_000)
    beats.beat()
    expect(seen()!.lastBeatAt).toEqual(clock.now())
    beats.trouble('no connection')
    const since = clock.now()
    await clock.advance(1_000)
    beats.trouble('refused')
    expect(seen()!.trouble).toEqual({ since, message: 'refused' })
    beats.beat(9_000)
    expect(seen()).toEqual({ lastBeatAt: clock.now(), offlineAfterMs: 9_000, trouble: undefined })
  })

  test('a record of beats that cannot be written is logged once and harms nothing', () => {
    const lines: string[] = []
    const log = createLineLog((line) => lines.push(line))
    const beats = new BeatRecorder('/dev/null', { clock: manualClock(), log })
    beats.trouble('one')
    beats.trouble('two')
    expect(lines).toEqual([expect.stringContaining('cannot record the last heartbeat in /dev/null/status.json')])
    expect(beats.record.trouble!.message).toBe('two')
  })
})

describe('the diagnostics of the agent', () => {
  test('the diagnostics say in HTTP what muster status says', async () => {
    const port = await freePort()
    const agent = await startAgent(`--diag-addr=127.0.0.1:${port}`)
    const get = (page: string, method = 'GET') => fetch(`http://127.0.0.1:${port}${page}`, { method })
    const ready = await get('/readyz')
    expect(ready.status).toBe(200)
    const { report } = await statusJson()
    expect(await ready.json()).toMatchObject({ ok: true, node_id: report['node_id'], problems: [] })
    expect(await (await get('/healthz')).text()).toBe('ok\n')
    const metrics = await (await get('/metrics')).text()
    expect(metrics).toMatch(/^muster_agent_ready 1$/m)
    expect(metrics).toMatch(/^muster_agent_last_beat_timestamp_seconds \d+/m)
    expect((await get('/healthz/..%2f')).status).toBe(404)
    expect((await get('/readyz', 'POST')).status).toBe(405)

    await writeFile(path.join(dataDir, 'profile.json'), '')
    expect((await get('/readyz')).status).toBe(500)
    await rm(path.join(dataDir, 'profile.json'))
    const absent = await get('/readyz')
    expect(absent.status).toBe(503)
    expect(await absent.json()).toMatchObject({ joined: false })
    await agent.stop()
    await expect(get('/healthz')).rejects.toThrow()
  })

  test('an agent whose diagnostics cannot listen ends with exit status 2 before it joins', async () => {
    const port = await freePort()
    const taken = createServer().listen(port, '127.0.0.1')
    stops.push(async () => taken.close())
    const { status, stderr } = await run(['start', `--diag-addr=127.0.0.1:${port}`])
    expect(stderr).toMatch(/^muster: --diag-addr: .*EADDRINUSE/)
    expect(status).toBe(2)
    expect(await readFile(path.join(dataDir, 'agent.lock'), 'utf8').catch(() => 'released')).toBe('released')
  })
})

describe('muster start with a configuration file', () => {
  test('muster start joins by the file without flags, says that the token may be removed, and returns without it', async () => {
    const config = path.join(folder, 'muster.yaml')
    const token = path.join(folder, 'token')
    await writeFile(token, NODE_TOKEN)
    await writeFile(
      config,
      `version: v1
muster:
  nodename: web-7
  data_dir: ./${number}
  auth_server: ${server.address}
  ca_pin: "${server.pin}"
  join_params: {token_name: ./token}
  log: {output: ./agent.log, format: json}
`,
    )
    const startByFile = () => {
      const stop = new AbortController()
      const said = { stdout: '' }
      const keep = { write: (text: string) => (said.stdout += text) }
      const io = {
        stdout: keep,
        stderr: keep,
        env: { MUSTER_AGENT_CONFIG_FILE: config },
        cwd: folder,
        signal: stop.signal,
      }
      const ended = main(['start'], io)
      stops.push(async () => (stop.abort(), ended))
      return { said, end: async () => (stop.abort(), ended) }
    }
    const first = startByFile()
    await eventually('joined', () => readBeatRecord(dataDir)?.lastBeatAt !== undefined)
    expect(await first.end()).toBe(0)
    expect(first.said.stdout).toContain(`The token in ${config} is not needed any more; you may remove it.\n`)
    expect(first.said.stdout).not.toContain('online')
    expect(await readFile(path.join(folder, 'agent.log'), 'utf8')).toContain('"msg":"online"')
    expect(server.joins[0]!.request).toMatchObject({ hostname: 'web-7', roles: ['node'] })

    for (const [last, say] of [
      [false, `the token in ${config} was not needed; you may remove it.`],
      [true, 'no token was needed.'],
    ] as const) {
      if (last) await rm(token)
      const again = startByFile()
      await eventually('back', () => again.said.stdout.includes('Back in test.muster.internal'))
      expect(await again.end()).toBe(0)
      expect(again.said.stdout).toContain(say)
    }
    expect(server.joins).toHaveLength(1)
  })

  test('a first start by a file whose token is missing names that file', async () => {
    const config = path.join(folder, 'no-token.yaml')
    await writeFile(config, `version: v1\nmuster: {join_params: {token_name: ./gone}}\n`)
    const { status, stderr } = await run(['start', `--config=${config}`])
    expect(status).toBe(2)
    expect(stderr).toContain(
      `${config}: muster.join_params.token_name: there is no file ${path.join(folder, 'gone')}.\n`,
    )
  })
})
