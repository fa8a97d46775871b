import { readFileSync } from 'node:fs'
import type { Lifecycle } from '@muster/runtime'
import { startProgram } from '../harness/program.ts'
import { runTool, type ToolResult } from '../harness/tool.ts'
import { waitFor } from '../harness/waiting.ts'
import { makeRoot, nspawnArgs } from './container.ts'

/** A machine whose first process is systemd: a container that boots. */
export interface Machine {
  /** Runs a program on it as root. */
  run(command: readonly [string, ...string[]], input?: string): Promise<ToolResult>
  /** Shuts it down in order, and starts it again with the files that it has. */
  reboot(): Promise<void>
}

/** Boots a machine with `muster`, a script. `life` stops it and removes its files. */
export async function bootMachine(life: Lifecycle, script: string): Promise<Machine> {
  const root = await makeRoot(life, script)
  const start = () =>
    startProgram(life, 'systemd-nspawn', [...nspawnArgs(root), '--boot', '--', '--unit=multi-user.target'])
  let nspawn = start()
  const run: Machine['run'] = (command, input = '') =>
    runTool('nsenter', ['--all', `--target=${leaderOf(nspawn.pid)}`, '--', ...command], {
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
      // nspawn has the machine shut down when it is told to end.
      await nspawn.stop()
      nspawn = start()
      await booted()
    },
  }
}

/** The first process of the machine. */
function leaderOf(nspawn: number): number {
  const children = readFileSync(`/proc/${nspawn}/task/${nspawn}/children`, 'utf8').trim().split(' ').map(Number)
  const leader = children.find((child) => readFileSync(`/proc/${child}/comm`, 'utf8').trim() === 'systemd')
  if (leader === undefined) throw new Error('the machine has no first process yet')
  return leader
}
