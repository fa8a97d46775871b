import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from '@jest/globals'
import type { Lifecycle } from '@muster/runtime'
import { canRun } from '@muster/testkit/tools'
import { runTool, type ToolResult } from '../harness/tool.ts'

/**
 * A machine on which packages can be installed: this one, seen by processes that have its system folders to themselves. What they
 * write there is in memory and nobody else sees it.
 */
export interface PrivateMachine {
  /** Runs a program on it as root, with no Node on the PATH. */
  run(program: string, args?: readonly string[], input?: string): Promise<ToolResult>
  /** The words before a program that is to run on it. */
  prefix: readonly [string, ...string[]]
}

/** This machine may have an agent of its own. */
const ENV = {
  MUSTER_AGENT_CONFIG_FILE: '/dev/null',
  PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LC_ALL: 'C',
}

/** Without /run/systemd the programs find no systemd, and without /usr/local no Node. */
const SET_UP = `set -e
mount -t tmpfs none /mnt
for folder in usr etc var; do
  mkdir -p /mnt/$folder/upper /mnt/$folder/work
  mount -t overlay none -o lowerdir=/$folder,upperdir=/mnt/$folder/upper,workdir=/mnt/$folder/work /$folder
done
mount -t tmpfs none /usr/local
mount -t tmpfs none /run
mkdir -p /usr/local/bin
echo ready
exec sleep infinity`

const UNSHARE = ['--mount', '--propagation', 'private'] as const
const canMakeMachines =
  process.platform === 'linux' &&
  process.getuid?.() === 0 &&
  canRun('unshare', ...UNSHARE, 'sh', '-c', SET_UP.replace('exec sleep infinity', ''))

/** A test of a private machine: by root who may mount, on Linux. */
export const testOnPrivateMachine: typeof test = canMakeMachines ? test : (test.skip as typeof test)

/** Makes a machine; `life` ends it. */
export async function privateMachine(life: Lifecycle): Promise<PrivateMachine> {
  const first = spawn('unshare', [...UNSHARE, 'sh', '-c', SET_UP], { stdio: ['ignore', 'pipe', 'inherit'] })
  life.own('private machine', first, async () => {
    first.kill('SIGKILL')
    if (first.exitCode === null && first.signalCode === null) await once(first, 'exit')
  })
  await once(first.stdout, 'data')
  const prefix = ['nsenter', `--mount=/proc/${first.pid}/ns/mnt`, '--'] as const
  return {
    prefix,
    run: (program, args = [], input = '') =>
      runTool(prefix[0], [...prefix.slice(1), program, ...args], { env: ENV, input }),
  }
}
