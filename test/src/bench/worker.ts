import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Lifecycle } from '@muster/runtime'

/** The messages to and from a worker, sent as structured clones, so buffers and dates keep their type. */
export interface TaskMessage {
  id: number
  task: string
  input: unknown
}
export type TaskReply = { id: number; result: unknown } | { id: number; error: string }

/** Tasks by name, as a worker serves them. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- tasks of every input and result
export type Tasks = Record<string, (input: any) => Promise<unknown>>

/** A worker process and its tasks as functions. */
export interface Worker<T extends Tasks> {
  pid: number
  call<K extends keyof T & string>(task: K, ...input: Parameters<T[K]>): Promise<Awaited<ReturnType<T[K]>>>
  stop(): Promise<void>
}

/**
 * Starts a program of this folder or another, such as `bench/load`, as a process of its own, so that CPU time can be told
 * apart. It ends with `life`, and by itself when this process is gone.
 */
export function startWorker<T extends Tasks>(
  program: string,
  life: Lifecycle,
  env: Record<string, string> = {},
): Worker<T> {
  const file = fileURLToPath(new URL(`../../dist/${program}.js`, import.meta.url))
  // A process group of its own: a terminal's Ctrl-C reaches this process alone, which then stops all in order.
  const options = { serialization: 'advanced', detached: true, env: { ...process.env, ...env } } as const
  const child = fork(file, options)
  const waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>()
  let nextId = 1
  child.on('message', (reply: TaskReply) => {
    const caller = waiting.get(reply.id)
    waiting.delete(reply.id)
    if ('error' in reply) caller?.reject(new Error(`${program}: ${reply.error}`))
    else caller?.resolve(reply.result as never)
  })
  const exited = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      for (const { reject } of waiting.values()) reject(new Error(`${program} has ended (${signal ?? code})`))
      resolve()
    })
  })
  const stop = async () => {
    child.kill('SIGKILL')
    await exited
  }
  life.own(program, stop, (s) => s())
  return {
    pid: child.pid!,
    stop,
    call: (task, ...[input]) =>
      new Promise((resolve, reject) => {
        const id = nextId++
        waiting.set(id, { resolve, reject })
        const message: TaskMessage = { id, task, input }
        child.send(message, (error) => error && reject(error))
      }),
  }
}

/** The other side: serves tasks until the process that started this one is gone. */
export function serveTasks(tasks: Tasks): void {
  process.once('disconnect', () => process.exit())
  process.on('message', ({ id, task, input }: TaskMessage) => {
    const run = async () => tasks[task]!(input)
    run().then(
      (result) => process.send?.({ id, result } satisfies TaskReply),
      (error: unknown) => process.send?.({ id, error: String((error as Error).stack ?? error) } satisfies TaskReply),
    )
  })
}
