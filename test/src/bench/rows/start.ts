import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Bench } from '../bench.ts'
import type { Line, Section } from '../report.ts'

const READY = 'Muster is ready.'

/** How long a local cluster takes to be ready: on an empty folder, then again on what the first run left. */
export async function measureStart(bench: Bench): Promise<Section> {
  const { step, life } = bench
  const folder = await bench.folder('start')
  const root = fileURLToPath(new URL('../../../..', import.meta.url))
  const args = ['start', '--', '--data-dir', `${folder}/data`, '--port', '0']
  const start = () => startAndStop('npm', args, root, (close) => life.own('npm start', close, (c) => c()))
  const first = await step('npm start on an empty folder', start)
  const second = await step('npm start again', start)
  const third = await step('npm start again', start)
  const again = second.readyMs < third.readyMs ? second : third
  const stores = (again.steps.get('Postgres') ?? Number.NaN) + (again.steps.get('Redis') ?? Number.NaN)
  const steps = [...again.steps].map(([title, seconds]) => `${title} ${seconds.toFixed(1)} s`)
  const lines: Line[] = [
    { what: 'npm start, once it has run', value: again.readyMs / 1000, unit: 's', target: { atMost: 8 } },
    { what: '  of it Postgres and Redis', value: stores, unit: 's' },
    { what: 'npm start on an empty folder', value: first.readyMs / 1000, unit: 's' },
    { what: 'stop of all of it', value: again.stopMs / 1000, unit: 's' },
  ]
  return {
    row: 'start',
    title: 'A whole cluster on this machine, installed and compiled before',
    lines,
    notes: [`Steps of npm start: ${steps.join(', ')}.`],
  }
}

interface Start {
  readyMs: number
  stopMs: number
  /** The duration of its steps, in seconds, by their titles. */
  steps: Map<string, number>
}

async function startAndStop(
  program: string,
  args: string[],
  cwd: string,
  own: (close: () => Promise<void>) => unknown,
): Promise<Start> {
  const startedAt = performance.now()
  const child = spawn(program, args, { cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  own(async () => {
    interrupt(child)
    await exited
  })
  const steps = new Map<string, number>()
  const lines: string[] = []
  const ready = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line)
        const step = /^✓ (.+) \(([\d.]+) s\)$/.exec(line)
        if (step !== null) steps.set(step[1]!, Number(step[2]))
        if (line === READY) resolve()
      })
    }
  })
  const failed = exited.then(() => {
    if (!lines.includes(READY)) throw new Error(`npm start failed:\n${lines.slice(-20).join('\n')}`)
  })
  await Promise.race([ready, failed])
  const readyMs = performance.now() - startedAt
  const stepsToReady = new Map(steps)
  interrupt(child)
  await exited
  return { readyMs, stopMs: performance.now() - startedAt - readyMs, steps: stepsToReady }
}

/** As a terminal's Ctrl-C: npm and what it runs get it; the cluster's own processes are in groups of their own. */
function interrupt(child: ChildProcess): void {
  if (child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid!, 'SIGINT')
  } catch {
    // It has ended in the meantime.
  }
}
