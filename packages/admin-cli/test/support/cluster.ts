import type { Io } from '@muster/cli-kit'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { audit, bots, ca, registration, token, users } from '@muster/contracts'
import { AppError, type ServiceName } from '@muster/domain'
import {
  anyone,
  bindService,
  type BoundService,
  operators,
  type Routes,
  type ServiceDefinition,
  TlsIdentity,
} from '@muster/rpc'
import { type RpcServer, serve } from '@muster/rpc/server'
import { systemClock } from '@muster/runtime'
import { testCluster } from '@muster/testkit'
import { IDENTITY_FILES, type OperatorProfile, writeIdentity } from '@muster/identity'
import { createLogger, createMetrics } from '@muster/service-kit'
import { main } from '../../src/cli.ts'
import { NOW } from './data.ts'

/** Where other machines would reach the test cluster. */
export const PUBLIC_ADDRESS = '192.0.2.10:3025'

type Handlers<D extends ServiceDefinition> = { [M in keyof D]?: Routes<D>[M]['handle'] }

/** The answers of the services in a test; a call without an answer fails. */
export interface Answers {
  tokens?: Handlers<token.TokenServiceService>
  ca?: Handlers<ca.CaServiceService>
  registration?: Handlers<registration.RegistrationServiceService>
  /** Served by registration-service, like the bots. */
  users?: Handlers<users.UserServiceService>
  bots?: Handlers<bots.BotServiceService>
  /** Each service has its own. */
  audit?: Partial<Record<ServiceName, Handlers<audit.AuditServiceService>>>
}

export interface Ran {
  status: number
  stdout: string
  stderr: string
}

/** Servers with real mTLS and an operator's folder, to run commands against. */
export interface TestCluster {
  /** Its `.muster/operator` is the operator's identity. */
  dir: string
  operatorDir: string
  pin: string
  hostRootDer: Buffer
  /** Its authorities, for tests that issue certificates. */
  pki: ReturnType<typeof testCluster>
  addresses: OperatorProfile['addresses']
  /** Set by each test. */
  answers: Answers
  run(argv: readonly string[], io?: Partial<Io>): Promise<Ran>
  /** Writes a new identity of the operator. */
  issueOperator(options?: { notBefore?: Date; notAfter?: Date; bundlePem?: string }): Promise<void>
  close(): Promise<void>
}

/** Runs a command and keeps what it prints. */
export async function runCli(argv: readonly string[], io: Partial<Io> & Pick<Io, 'cwd'>): Promise<Ran> {
  const ran = { stdout: '', stderr: '' }
  const keep = (name: 'stdout' | 'stderr') => ({
    ...io[name],
    write(text: string) {
      ran[name] += text
      io[name]?.write(text)
    },
  })
  const status = await main(argv, {
    env: {},
    ...io,
    stdout: keep('stdout'),
    stderr: keep('stderr'),
  })
  return { status, ...ran }
}

/** Valid by the clock of the servers and by that of commands that run at NOW. */
function goodNowAndThen(): { notBefore: Date; notAfter: Date } {
  const times = [NOW.getTime(), Date.now()]
  return { notBefore: new Date(Math.min(...times) - 60_000), notAfter: new Date(Math.max(...times) + 86_400_000) }
}

/** RPCs for callers without a certificate. */
const ANONYMOUS = ['getTrustBundle', 'register', 'signup']

function answering(definition: ServiceDefinition, answers: () => Record<string, unknown> | undefined): BoundService {
  const routes = Object.keys(definition).map((rpc) => {
    const handle = (request: never, context: never) => {
      const answer = answers()?.[rpc] as ((...args: never[]) => unknown) | undefined
      if (answer === undefined) throw new AppError('internal', `${rpc} has no answer in this test`)
      return answer(request, context)
    }
    return [rpc, { callers: ANONYMOUS.includes(rpc) ? anyone : operators('viewer'), handle }]
  })
  return bindService(definition, Object.fromEntries(routes) as Routes<ServiceDefinition>)
}

export async function startTestCluster(): Promise<TestCluster> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'musterctl-test-'))
  const operatorDir = path.join(dir, '.muster', 'operator')
  const made = testCluster('muster.internal')
  const servers: RpcServer[] = []
  const cluster = { answers: {} as Answers }

  const open = async (name: ServiceName, ...services: BoundService[]) => {
    const server = await serve({
      listenAddress: '127.0.0.1:0',
      identity: new TlsIdentity(made.service(name)),
      clusterName: made.clusterName,
      services: [...services, answering(audit.AuditServiceService, () => cluster.answers.audit?.[name])],
      clock: systemClock,
      log: createLogger(name, 'silent'),
      metrics: createMetrics(name),
      drainTimeoutMs: 100,
    })
    servers.push(server)
    return server.address
  }
  const profile: OperatorProfile = {
    clusterName: made.clusterName,
    caPins: [made.pin],
    addresses: {
      token: await open(
        'token-service',
        answering(token.TokenServiceService, () => cluster.answers.tokens),
      ),
      ca: await open(
        'ca-service',
        answering(ca.CaServiceService, () => cluster.answers.ca),
      ),
      registration: await open(
        'registration-service',
        answering(registration.RegistrationServiceService, () => cluster.answers.registration),
        answering(users.UserServiceService, () => cluster.answers.users),
        answering(bots.BotServiceService, () => cluster.answers.bots),
      ),
    },
    publicAddress: PUBLIC_ADDRESS,
  }

  const issueOperator: TestCluster['issueOperator'] = async ({ bundlePem = made.hostRootsPem, ...dates } = {}) => {
    const { own } = made.member({ kind: 'user', name: 'alice', roles: ['admin'], ...goodNowAndThen(), ...dates })
    await rm(operatorDir, { recursive: true, force: true })
    await mkdir(operatorDir, { recursive: true })
    await writeFile(path.join(operatorDir, IDENTITY_FILES.key), own.keyPem, { mode: 0o600 })
    await writeIdentity(operatorDir, { chainPem: own.chainPem, bundlePem, profile })
  }
  await issueOperator()
  return Object.assign(cluster, {
    dir,
    operatorDir,
    pin: made.pin,
    hostRootDer: made.authorities.host.root.certificateDer,
    pki: made,
    addresses: profile.addresses,
    issueOperator,
    run: (argv: readonly string[], io: Partial<Io> = {}) => runCli(argv, { cwd: dir, ...io }),
    async close() {
      await Promise.all(servers.map((server) => server.close()))
      await rm(dir, { recursive: true })
    },
  })
}
