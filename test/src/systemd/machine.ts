import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from '@jest/globals'
import type { Lifecycle } from '@muster/runtime'
import { canRun, testWith } from '@muster/testkit/tools'
import { runTool, type ToolResult } from '../harness/tool.ts'
import { waitFor } from '../harness/waiting.ts'

/** A machine whose first process is systemd: a container with the programs of this one, and files of its own. */
export interface Machine {
  /** Runs a program on it as root. */
  run(command: readonly [string, ...string[]], input?: string): Promise<ToolResult>
  /** Shuts it down in order, and starts it again with the files that it has. */
  reboot(): Promise<void>
}

/** The command line of `muster` on a machine. */
export const MUSTER = ['/opt/muster/node', '/opt/muster/muster.cjs'] as const

const canMakeContainers = process.getuid?.() === 0 && canRun('unshare', '--mount', '--pid', '--fork', 'true')

/** A test that boots a machine: by root who may create containers, with systemd and its systemd-nspawn. */
export const testOnMachine: typeof test = canMakeContainers
  ? testWith(canRun('systemd-nspawn', '--version') && canRun('systemd-notify', '--version'), 'systemd-nspawn')
  : (test.skip as typeof test)

/** Units of the programs of this machine that take time, or ask a person. */
const MASKED = [
  'getty.target',
  'systemd-logind.service',
  'systemd-udevd.service',
  'ldconfig.service',
  'timers.target',
  'dbus.service',
  'dbus.socket',
]

const FILES: Record<string, string> = {
  'etc/os-release': 'ID=test\nNAME=test\n',
  'etc/machine-id': 'c0ffeec0ffeec0ffeec0ffeec0ffee00\n',
  'etc/hostname': 'web-1\n',
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\nmessagebus:x:101:101::/:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n',
  'etc/group': 'root:x:0:\nmessagebus:x:101:\nsystemd-journal:x:997:\nnogroup:x:65534:\n',
  'etc/nsswitch.conf': 'passwd: files systemd\ngroup: files systemd\nhosts: files\n',
  'etc/hosts': '127.0.0.1 localhost\n',
  // What is left out of a first boot.
  'etc/.updated': '',
  'var/.updated': '',
}

/** Boots a machine with `muster`, a script, in /opt/muster. `life` stops it and removes its files. */
export async function bootMachine(life: Lifecycle, script: string): Promise<Machine> {
  const root = await mkdtemp(path.join(os.tmpdir(), 'muster-machine-'))
  life.own('files of the machine', root, (folder) => rm(folder, { recursive: true, force: true }))
  await makeRoot(root, script)
  const running = { nspawn: startNspawn(root) }
  life.own('machine', running, ({ nspawn }) => stop(nspawn))
  const run: Machine['run'] = (command, input = '') =>
    runTool('nsenter', ['--all', `--target=${leaderOf(running.nspawn)}`, '--', ...command], {
      env: { PATH: '/usr/local/bin:/usr/bin:/usr/sbin' },
      input,
    })
  const booted = () =>
    waitFor('the end of the boot', async () =>
      /^(running|degraded)$/m.test((await run(['systemctl', 'is-system-running'])).stdout),
    )
  await booted()
  return {
    run,
    async reboot() {
      await stop(running.nspawn)
      running.nspawn = startNspawn(root)
      await booted()
    },
  }
}

async function makeRoot(root: string, script: string): Promise<void> {
  for (const folder of [
    'usr',
    'usr-local/bin',
    'run',
    'tmp',
    'proc',
    'sys',
    'dev',
    'root',
    'opt/muster',
    'var/lib',
    'etc/systemd/system',
  ]) {
    await mkdir(path.join(root, folder), { recursive: true })
  }
  await chmod(root, 0o755)
  for (const folder of ['bin', 'sbin', 'lib', 'lib64']) await symlink(`usr/${folder}`, path.join(root, folder))
  for (const [file, text] of Object.entries(FILES)) await writeFile(path.join(root, file), text)
  for (const unit of MASKED) await symlink('/dev/null', path.join(root, 'etc/systemd/system', unit))
  await copyFile(script, path.join(root, 'opt/muster/muster.cjs'))
  await writeFile(path.join(root, 'opt/muster/node'), '')
}

function startNspawn(root: string): ChildProcess {
  const args = ['--quiet', '--register=no', '--keep-unit', '--directory', root, '--machine', path.basename(root)]
  const local = path.join(root, 'usr-local')
  const binds = ['--bind-ro=/usr', `--bind=${local}:/usr/local`, `--bind-ro=${process.execPath}:/opt/muster/node`]
  return spawn('systemd-nspawn', [...args, ...binds, '--boot', '--', '--unit=multi-user.target'], { stdio: 'ignore' })
}

/** The first process of the machine. */
function leaderOf({ pid }: ChildProcess): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
  const leader = children.find((child) => readFileSync(`/proc/${child}/comm`, 'utf8').trim() === 'systemd')
  if (leader === undefined) throw new Error('the machine has no first process yet')
  return leader
}

/** nspawn has the machine shut down when it is told to end. */
async function stop(nspawn: ChildProcess): Promise<void> {
  nspawn.kill('SIGTERM')
  await waitFor('the end of the machine', () => nspawn.exitCode !== null || nspawn.signalCode !== null)
}
