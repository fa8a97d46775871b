import { rm } from 'node:fs/promises'
import path from 'node:path'
import { main as musterctl } from '@muster/admin-cli'
import { type ChildProcess, startChild, stopChild, type StopStep, until } from '@muster/embedded-stores'
import { ensureFolder, writeFileAtomic } from '@muster/runtime'
import { type OperatorProfile, readIdentity } from '@muster/identity'
import { openLog } from './rotating-log.ts'
import { programFile } from './service-process.ts'

/** How to start the first node. */
export interface FirstNodeOptions {
  dataDir: string
  operatorDir: string
  profile: OperatorProfile
  /** HOST:PORT of registration-service. */
  authServer: string
}

const START_LIMIT_MS = 60_000
const STOP_STEPS: readonly StopStep[] = [
  ['SIGTERM', 5_000],
  ['SIGKILL', 5_000],
]

/** The first node, running. */
export interface FirstNode {
  process: ChildProcess
  /** The line that the agent printed when it came online, with its node id. */
  greeting: string
  stop(): Promise<void>
}

/** Runs an agent on this machine as a person would: with a token the first time, and without one from then on. */
export async function startFirstNode(options: FirstNodeOptions): Promise<FirstNode> {
  const { dataDir, operatorDir, profile, authServer } = options
  const nodeDir = path.join(dataDir, 'node')
  await ensureFolder(nodeDir)
  const tokenFile = path.join(nodeDir, 'join-token')
  const isNew = (await readIdentity(nodeDir)) === undefined
  if (isNew) await writeFileAtomic(tokenFile, await makeToken(operatorDir))

  const log = openLog(path.join(dataDir, 'logs', 'node.log'))
  let greeting: string | undefined
  let online = false
  const args = [
    programFile('muster', 'agent'),
    'start',
    '--roles=node',
    `--data-dir=${nodeDir}`,
    `--auth-server=${authServer}`,
    ...profile.caPins.map((pin) => `--ca-pin=${pin}`),
    ...(isNew ? [`--token=${tokenFile}`] : []),
  ]
  const child = startChild(process.execPath, args, {
    parentDeathSignal: 'TERM',
    log: (line) => {
      log.write(line)
      if (/^(Joined|Back in) /.test(line)) greeting ??= line
      if (line.endsWith(' info online')) online = true
    },
  })
  void child.exited.then(() => log.end())
  await until(() => child.hasExited() || online, { limitMs: START_LIMIT_MS })
  await rm(tokenFile, { force: true })
  const stop = () => stopChild(child, STOP_STEPS)
  if (!online || greeting === undefined) {
    await stop()
    throw new Error(
      `The first node did not come online. If its output below says that it must join again, delete ${nodeDir} and start again.\n` +
        child.lastLines(),
    )
  }
  return { process: child, greeting, stop }
}

async function makeToken(operatorDir: string): Promise<string> {
  let output = ''
  let errors = ''
  const status = await musterctl(
    [
      'tokens',
      'add',
      '--type=node',
      '--ttl=5m',
      '--max-uses=1',
      '--description=first node',
      '--format=text',
      '--identity',
      operatorDir,
    ],
    {
      stdout: { write: (text: string) => ((output += text), true), isTTY: false },
      stderr: { write: (text: string) => ((errors += text), true), isTTY: false },
      env: {},
      cwd: operatorDir,
    },
  )
  if (status !== 0) throw new Error(`no token could be made for the first node: ${errors.trim()}`)
  return output.trim()
}
