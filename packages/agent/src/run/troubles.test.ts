import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { refusal } from '@muster/domain'
import { noProxy } from '@muster/rpc'
import { systemClock } from '@muster/runtime'
import { eventually, type Network, openNetwork, type Trouble, TROUBLES } from '@muster/testkit'
import { memoryLog } from '@muster/testkit/log'
import { NODE_TOKEN, startTestRegistration, type TestRegistration } from '../../test/support/registration.ts'
import { parseStartFlags } from '../config/options.ts'
import { exitStatusOf, explain } from '../exit-status.ts'
import { loadIdentity } from '../join/node-identity.ts'
import { systemdNotifier } from '../systemd/notifier.ts'
import { start } from './start.ts'

const DAY_HOURS = 24
/** Enough for a handshake of each agent while all of them start. */
const ATTEMPT_LIMIT_MS = 1_000

/**
 * How far the clock of the machine is ahead of the server's, in hours. Only the difference matters, so the server's is
 * moved: its certificate, its grants, and the time that it tells.
 */
const CLOCKS: [string, number][] = [
  ['2 days behind', -2 * DAY_HOURS],
  ['20 minutes behind', -1 / 3],
  ['20 minutes ahead', 1 / 3],
  ['2 days ahead', 2 * DAY_HOURS],
]
const STEPPING = 'set back and forth by 2 days'

/** What the agent says of a trouble. A clock that is off by days is found before anything that comes after TLS. */
const SAID: Record<Trouble, RegExp> = {
  'silent after TCP': /did not complete the TLS handshake/,
  'silent after TLS': /did not begin HTTP\/2/,
  'silent after the request': /did not answer in time/,
  resets: /ECONNRESET|EPIPE|closed the connection|was closed|disconnected before/,
  refused: /ECONNREFUSED/,
  slow: /^$/,
}
const WHOLE = ['bundle.pem', 'chain.pem', 'key.pem', 'profile.json']
const CLOCK = /the clock of this machine says .* UTC/

/** How an agent ended, or goes on. */
interface Outcome {
  status: number | 'runs'
  said: string
  files: Record<string, string>
}

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'muster-troubles-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function read(dataDir: string): Promise<Record<string, string>> {
  const names = (await readdir(dataDir)).filter((name) => /\.(?:pem|json)$/.test(name) && name !== 'status.json')
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(path.join(dataDir, name), 'utf8')])),
  )
}

/** An agent of this test, which runs in this process. */
class Agent {
  readonly dataDir: string
  readonly network: Network
  readonly #steps: boolean
  readonly #stop = new AbortController()
  readonly #said: string[] = []
  readonly #log = memoryLog()
  #ended: Promise<number> = Promise.resolve(0)
  #status: number | undefined

  constructor(dataDir: string, network: Network, steps: boolean) {
    this.dataDir = dataDir
    this.network = network
    this.#steps = steps
  }

  start(server: TestRegistration, flags: { oneshot?: boolean; joinTimeout?: string }): Promise<number> {
    const options = parseStartFlags(
      { dataDir: this.dataDir, nodename: 'web', authServer: this.network.address, ...joinFlags(server), ...flags },
      {},
    )
    const { log } = this.#log
    const deps = {
      clock: this.#steps ? steppingClock : systemClock,
      log,
      say: (line: string) => void this.#said.push(line),
      signal: this.#stop.signal,
      proxyFor: noProxy,
      notifier: systemdNotifier({}, log),
      attemptLimitMs: ATTEMPT_LIMIT_MS,
    }
    this.#status = undefined
    this.#ended = start(options, deps).then(
      () => 0,
      (error: unknown) => {
        this.#said.push(explain(error))
        return exitStatusOf(error)
      },
    )
    void this.#ended.then((status) => (this.#status = status))
    return this.#ended
  }

  get said(): string {
    const logged = this.#log.lines.map(({ msg, err }) => `${msg} ${JSON.stringify(err ?? '')}`)
    return [...this.#said, ...logged].join('\n')
  }

  get hasEnded(): boolean {
    return this.#status !== undefined
  }

  async outcome(): Promise<Outcome> {
    return { status: this.#status ?? 'runs', said: this.said, files: await read(this.dataDir) }
  }

  async stop(): Promise<number> {
    this.#stop.abort()
    return this.#ended
  }
}

const joinFlags = (server: TestRegistration) => ({ token: NODE_TOKEN, caPin: [server.pin] })

/** As the real service does, so that a clock that steps does not renew all the time. */
function refuseEarlyRenewals(server: TestRegistration): void {
  let allowedAt = 0
  server.before.renewCertificate = () => {
    if (performance.now() < allowedAt) throw refusal('RENEWED_JUST_NOW', 'the certificate is new')
    allowedAt = performance.now() + 200
  }
}

/** A clock that somebody sets forward and back ten times a second. */
const steppingClock = {
  ...systemClock,
  now: () => new Date(Date.now() + (Math.floor(performance.now() / 50) % 2 === 0 ? 1 : -1) * 2 * DAY_HOURS * 3_600_000),
}

describe.each([...CLOCKS, [STEPPING, 0] as [string, number]])('a clock that is %s', (clockName, aheadHours) => {
  const fresh = new Map<Trouble, Outcome>()
  const renewing = new Map<Trouble, { before: Record<string, string>; after: Outcome }>()
  const running = new Map<Trouble, { before: Record<string, string>; during: Outcome; status: number }>()
  const isOff = Math.abs(aheadHours) > DAY_HOURS
  let server: TestRegistration

  beforeAll(async () => {
    server = await startTestRegistration()
    if (clockName === STEPPING) refuseEarlyRenewals(server)
    const networks: Network[] = []
    const agents = async (state: string) =>
      new Map(
        await Promise.all(
          TROUBLES.map(async (trouble) => {
            const network = await openNetwork(server.address, () => server.certifyFor(-aheadHours))
            networks.push(network)
            const dataDir = path.join(folder, `${clockName} ${state} ${trouble}`)
            return [trouble, new Agent(dataDir, network, clockName === STEPPING)] as const
          }),
        ),
      )
    const [freshAgents, renewingAgents, runningAgents] = [
      await agents('fresh'),
      await agents('renewing'),
      await agents('running'),
    ]
    await Promise.all([...renewingAgents.values()].map((agent) => agent.start(server, { oneshot: true })))
    for (const agent of runningAgents.values()) void agent.start(server, {})
    for (const [trouble, agent] of runningAgents)
      await eventually(`${trouble}: online`, () => agent.said.includes('online'))
    const beforeOf = async (all: Map<Trouble, Agent>) =>
      new Map(
        await Promise.all([...all].map(async ([trouble, { dataDir }]) => [trouble, await read(dataDir)] as const)),
      )
    const beforeRenewing = await beforeOf(renewingAgents)
    const beforeRunning = await beforeOf(runningAgents)

    server.certifyFor(-aheadHours)
    server.clockAheadMs = -aheadHours * 3_600_000
    const all = [freshAgents, renewingAgents, runningAgents].flatMap((one) => [...one])
    await Promise.all(all.map(([trouble, { network }]) => network.bring(trouble)))
    await Promise.all(
      [...freshAgents, ...renewingAgents].map(([, agent]) => agent.start(server, { oneshot: true, joinTimeout: '2s' })),
    )
    for (const [trouble, agent] of runningAgents) {
      if (!isAway(trouble)) continue
      await eventually(`${trouble}: away`, () => agent.hasEnded || agent.said.includes('cannot be reached'))
    }
    for (const [trouble, agent] of freshAgents) fresh.set(trouble, await agent.outcome())
    for (const [trouble, agent] of renewingAgents) {
      renewing.set(trouble, { before: beforeRenewing.get(trouble)!, after: await agent.outcome() })
    }
    const during = new Map<Trouble, Outcome>()
    for (const [trouble, agent] of runningAgents) during.set(trouble, await agent.outcome())

    server.certifyFor(0)
    server.clockAheadMs = 0
    await Promise.all([...runningAgents.values()].map(({ network }) => network.bring(undefined)))
    for (const [trouble, agent] of runningAgents) {
      const isBack = () => (agent.said.match(/\bonline\b/g)?.length ?? 0) > (isAway(trouble) ? 1 : 0)
      await eventually(`${trouble}: back`, () => agent.hasEnded || isBack())
      const status = await agent.stop()
      running.set(trouble, { before: beforeRunning.get(trouble)!, during: during.get(trouble)!, status })
    }
    await Promise.all(networks.map((network) => network.close()))
  }, 120_000)
  afterAll(() => server.close())

  /** Whether an agent that runs finds out in seconds that its cluster is away. It waits 15 s for an answer to its hello. */
  const isAway = (trouble: Trouble) => trouble !== 'silent after the request' && (trouble !== 'slow' || isOff)
  /** A clock that is off ends a handshake, unless the trouble comes before it. */
  const expected = (trouble: Trouble) =>
    isOff && !['silent after TCP', 'resets', 'refused'].includes(trouble) ? CLOCK : SAID[trouble]
  const works = (trouble: Trouble) => trouble === 'slow' && !isOff

  const identityOf = (state: string, trouble: Trouble) =>
    loadIdentity(path.join(folder, `${clockName} ${state} ${trouble}`))

  test.each(TROUBLES)('a fresh machine: %s', async (trouble) => {
    const { status, said, files } = fresh.get(trouble)!
    expect(status).toBe(works(trouble) ? 0 : 5)
    expect(said).toMatch(works(trouble) ? /^Joined / : expected(trouble))
    expect(said).not.toMatch(/undefined|LB pick|CA pin/)
    // The key is made before the first attempt, and nothing else.
    expect(Object.keys(files).sort()).toEqual(works(trouble) ? WHOLE : ['key.pem'])
    expect((await identityOf('fresh', trouble)) !== undefined).toBe(works(trouble))
  })

  test.each(TROUBLES)('a machine that renews: %s', async (trouble) => {
    const { before, after } = renewing.get(trouble)!
    expect(after.status).toBe(works(trouble) ? 0 : 5)
    expect(after.said).toMatch(works(trouble) ? /The credentials are/ : expected(trouble))
    expect(after.said).not.toMatch(/undefined|LB pick|CA pin/)
    // A clock that steps may make the certificate too new to be renewed.
    const isSame = after.files['chain.pem'] === before['chain.pem']
    expect(isSame).toBe(clockName === STEPPING ? isSame : !works(trouble))
    expect({ ...after.files, 'chain.pem': '' }).toEqual({ ...before, 'chain.pem': '' })
    expect(await identityOf('renewing', trouble)).toBeDefined()
  })

  test.each(TROUBLES)('an agent that runs: %s', async (trouble) => {
    const { before, during, status } = running.get(trouble)!
    expect(during.status).toBe('runs')
    expect(during.said).toMatch(isAway(trouble) ? expected(trouble) : /online/)
    expect(during.said).not.toMatch(/undefined|LB pick|CA pin/)
    expect(during.files['key.pem']).toBe(before['key.pem'])
    // Back by itself, it ends when it is told to.
    expect(status).toBe(0)
    expect(await identityOf('running', trouble)).toBeDefined()
  })
})
