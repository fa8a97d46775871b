import { existsSync } from 'node:fs'
import os from 'node:os'
import { fileURLToPath } from 'node:url'
import { UsageError } from '@muster/cli-kit'
import { runProgram } from '@muster/cli-kit/run'
import {
  describeService,
  isDnsName,
  SERVICE_NAMES,
  type ServiceDescriptor,
  type ServiceName,
  SERVICES,
} from '@muster/domain'
import { defaultCacheDir, ownerOf, startPostgres, startRedis } from '@muster/embedded-stores'
import {
  ensureFolder,
  Lifecycle,
  NPM_ECHO_MS,
  onParentGone,
  onStopSignals,
  outliveOutput,
  systemClock,
} from '@muster/runtime'
import { isPortFree, preferPort, reachableHost } from './addresses.ts'
import { startControlPlane } from './control-plane.ts'
import { startFirstNode } from './first-node.ts'
import { openLog } from './rotating-log.ts'
import { npmStart, STATIC_TOKENS_FILE, type LocalClusterOptions } from './options.ts'
import { progressSteps } from './progress.ts'
import { readyText } from './ready-text.ts'
import { keepRunning } from './keep-running.ts'

/** Where `npm run package` puts the packages of this checkout. */
const PACKAGES_DIR = fileURLToPath(new URL('../../../dist/packages', import.meta.url))

const step = progressSteps(process.stdout)
const life = new Lifecycle()

/** Starts everything in order; `life` stops it in the reverse order. */
async function start({ dataDir, port, clusterName, withNode }: LocalClusterOptions): Promise<void> {
  const owner = await ownerOf(`${dataDir}/postgres`)
  if (owner !== undefined) {
    throw new Error(
      `a cluster already runs in ${dataDir} (process ${owner}). Stop it first, or choose another --data-dir`,
    )
  }
  if (port !== 0 && !(await isPortFree(port, '0.0.0.0'))) {
    throw new Error(
      `port ${port} is in use. Stop the program that listens there, or choose another port: npm start -- --port ${port + 10}`,
    )
  }
  // 0711: the account of Postgres must reach its folder; each folder inside is closed to other accounts.
  await ensureFolder(dataDir, 0o711).catch((error: Error) => {
    throw new UsageError(`--data-dir: ${error.message}`)
  })
  await ensureFolder(`${dataDir}/logs`)
  const logTo = (name: string) =>
    life.own(`${name} log`, openLog(`${dataDir}/logs/${name}.log`), (log) => log.end()).write
  const postgresOptions = { dataDir: `${dataDir}/postgres`, log: logTo('postgres') }
  const postgres = await step('Postgres', () => startPostgres(postgresOptions))
  life.own('Postgres', postgres, (p) => step('stop Postgres', () => p.stop()))
  const redisOptions = {
    dataDir: `${dataDir}/redis`,
    log: logTo('redis'),
    cacheDir: defaultCacheDir(process.env),
    env: process.env,
    onProgress: (text: string) => process.stdout.write(`  ${text}\n`),
  }
  const redis = await step('Redis', () => startRedis(redisOptions))
  life.own('Redis', redis, (r) => step('stop Redis', () => r.stop()))

  const hostname = os.hostname().toLowerCase()
  const controlPlane = await startControlPlane(
    {
      dataDir,
      clusterName,
      postgres,
      redis,
      listen: { ...(await usualAddresses(port)), 'registration-service': [`0.0.0.0:${port}`] },
      publicAddress: (bound) => `${reachableHost()}:${bound}`,
      dnsNames: [
        ...new Set(['localhost', ...(isDnsName(hostname) && !hostname.endsWith(clusterName) ? [hostname] : [])]),
      ],
      extraEnv: {
        'token-service': staticTokens(dataDir),
        'web-service': { MUSTER_PACKAGES_DIR: PACKAGES_DIR },
      },
      step,
    },
    life,
  )
  const authServer = controlPlane.profile.addresses.registration
  let greeting: string | undefined
  if (withNode) {
    const node = await step('first node', () =>
      startFirstNode({ dataDir, operatorDir: controlPlane.operatorDir, profile: controlPlane.profile, authServer }),
    )
    life.own('first node', node, (n) => step('stop first node', () => n.stop()))
    void node.process.exited.then(() => {
      if (!life.signal.aborted)
        say(`The first node has ended; see ${dataDir}/logs/node.log. The next 'npm start' starts it again.`)
    })
    greeting = node.greeting
  }
  keepRunning({ controlPlane, postgres, redis, life, clock: systemClock, say })
  say(readyText({ profile: controlPlane.profile, services: controlPlane.services, dataDir, greeting }))
}

/**
 * Where the services listen: on their default ports if registration-service is on its own, else on free ports, so that
 * several clusters fit on one machine.
 */
async function usualAddresses(port: number): Promise<Partial<Record<ServiceName, string[]>>> {
  const isUsual = port === SERVICES['registration-service'].listenPort
  const addresses: Partial<Record<ServiceName, string[]>> = {}
  for (const name of SERVICE_NAMES) {
    const { listenPort, webPort }: ServiceDescriptor = describeService(name)
    addresses[name] = [isUsual ? await preferPort('0.0.0.0', listenPort ?? webPort ?? 0) : '0.0.0.0:0']
  }
  return addresses
}

/** The variable for the file of static tokens, if the data directory holds one. */
function staticTokens(dataDir: string): Record<string, string> {
  const file = `${dataDir}/${STATIC_TOKENS_FILE}`
  return existsSync(file) ? { MUSTER_CONFIG_FILE: file } : {}
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

let stopping = false
function stop(status: number): void {
  stopping = true
  void life.close().finally(() => process.exit(status))
}
function stopInOrder(): void {
  if (stopping) return
  say('\nStopping.')
  stop(0)
}
onStopSignals(stopInOrder, NPM_ECHO_MS)
if (process.env['npm_lifecycle_event'] !== undefined) onParentGone(stopInOrder)
// A pipe without a reader must not keep the cluster from running, or from stopping.
outliveOutput()

/** A start that a signal cuts off has not failed. */
async function startUnlessStopped(options: LocalClusterOptions): Promise<void> {
  await start(options).catch((error: unknown) => {
    if (!stopping) throw error
  })
}

const status = await runProgram(npmStart(startUnlessStopped), process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
})
// The cluster runs on; a stop in the middle of the start decides on the status itself.
if (status === 1 && !stopping) stop(status)
else if (status !== 0) process.exitCode = status
