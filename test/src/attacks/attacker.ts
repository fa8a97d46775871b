import { readFileSync } from 'node:fs'
import os from 'node:os'
import { serveTasks } from '../bench/worker.ts'
import { ATTACKS } from './catalogue.ts'
import type { Tried } from './attack.ts'
import { Stage, type StageOptions } from './stage.ts'

// The attacker: a separate process, so that its CPU time is measured apart and its crash affects no other process.
// Honest members and newcomers on the same machine go first.
os.setPriority(5)

/** The outcome of an attack, and its cost to the stranger. */
export interface AttackResult extends Tried {
  bytesSent: number
  cpuMs: number
}

const tasks = {
  async run({ name, ...options }: StageOptions & { name: string }): Promise<AttackResult> {
    const attack = ATTACKS.find((one) => one.name === name)
    if (attack === undefined) throw new Error(`no attack is called ${name}`)
    const stage = new Stage(options)
    const bytesBefore = bytesWritten()
    const cpuBefore = process.cpuUsage()
    try {
      const tried = await attack.run(stage)
      const { user, system } = process.cpuUsage(cpuBefore)
      return { ...tried, bytesSent: bytesWritten() - bytesBefore, cpuMs: (user + system) / 1000 }
    } finally {
      stage.close()
    }
  },
}
export type AttackerTasks = typeof tasks
serveTasks(tasks)

/** All bytes that this process has written, to sockets for the most part; 0 where the system does not say. */
function bytesWritten(): number {
  if (process.platform !== 'linux') return 0
  return Number(/^wchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))![1])
}

// A connection that the server resets while this process writes to it is what attacks are about.
process.on('uncaughtException', (error: NodeJS.ErrnoException) => {
  if (['ECONNRESET', 'EPIPE', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END'].includes(error.code ?? '')) return
  if (error.code?.startsWith('ERR_HTTP2') === true || error.code?.startsWith('ERR_SSL') === true) return
  throw error
})
