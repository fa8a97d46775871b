import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import type { Bench } from '../bench.ts'
import { makePackaged } from '../packaged.ts'
import type { Line, Section } from '../report.ts'
import { median } from '../statistics.ts'

/** How much longer than a Node that does nothing a program may take. */
const MOST_MS: Record<string, number> = {
  'musterctl --help': 60,
  'musterctl status': 200,
  'musterctl status, packaged': 120,
}
const PACKAGED = ', packaged'
const MIB = 1024 * 1024

/** A command line to measure. */
interface Command {
  what: string
  file: string
  args: string[]
}

interface Measured {
  ms: number[]
  peakMib: number[]
}

/** How long the programs that people type take from start to end, and how much memory: of the checkout and of the executable. */
export async function measureCli(bench: Bench): Promise<Section> {
  const rounds = bench.options.quick ? 3 : 10
  const { operatorDir } = (await bench.cluster()).controlPlane
  const packaged = await bench.step('the executable', async () => makePackaged(await bench.folder('packaged')))
  const node: Command = { what: 'node -e 0', file: process.execPath, args: ['-e', '0'] }
  const lines = [
    ['musterctl', '--help'],
    ['musterctl', 'status', '--identity', operatorDir],
    ['muster', '--help'],
  ] as const
  const checkout = lines.map(([program, ...args]): Command => {
    const script = binOf(program === 'muster' ? 'agent' : 'admin-cli', program)
    return { what: `${program} ${args[0]}`, file: process.execPath, args: [script, ...args] }
  })
  const executables = lines.map(([program, ...args]): Command => {
    return { what: `${program} ${args[0]}${PACKAGED}`, file: path.join(packaged?.folder ?? '', program), args }
  })
  const commands = [node, ...checkout, ...(packaged === undefined ? [] : executables)]
  const measured = new Map<string, Measured>(commands.map(({ what }) => [what, { ms: [], peakMib: [] }]))
  const tellPeak = path.join(await bench.folder('peak'), 'tell-peak.cjs')
  await writeFile(tellPeak, TELL_PEAK)
  // The first round is not counted: it reads the programs from the disk.
  for (let round = 0; round <= rounds; round++) {
    await bench.step(`programs, ${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}`, async () => {
      for (const command of commands) {
        const { ms, peakMib } = measured.get(command.what)!
        const ranMs = await runTimed(command)
        const ranMib = await runForPeak(command, tellPeak)
        if (round === 0) continue
        ms.push(ranMs)
        peakMib.push(ranMib)
      }
    })
  }
  const timeOf = (what: string) => ({ what, value: median(measured.get(what)!.ms) })
  const peakOf = (what: string) => ({ what, value: median(measured.get(what)!.peakMib) })
  const floor = timeOf(node.what)
  const times = commands.slice(1).map(({ what }): Line => {
    const atMost = MOST_MS[what]
    return { ...timeOf(what), unit: 'ms', floor, by: 'difference', ...(atMost !== undefined && { target: { atMost } }) }
  })
  if (packaged === undefined) return { row: 'cli', title: titleOf(rounds), lines: times, notes: [NOT_PACKAGED] }
  const besideCheckout = executables.flatMap(({ what }): Line[] => {
    const own = what.slice(0, -PACKAGED.length)
    const target = { atMost: 1 }
    return [
      { ...timeOf(what), what: `${what}: time`, unit: 'ms', floor: timeOf(own), target },
      { ...peakOf(what), what: `${what}: peak memory`, unit: 'MiB', floor: peakOf(own), target },
    ]
  })
  const size: Line = {
    what: 'size of the executable',
    value: packaged.bytes / MIB,
    unit: 'MiB',
    floor: { what: 'the tarball', value: packaged.tarballBytes / MIB },
  }
  return { row: 'cli', title: titleOf(rounds), lines: [...times, ...besideCheckout, size] }
}

const NOT_PACKAGED = 'The executable could not be built here: it needs Linux, and Node from the npm registry.'

function titleOf(rounds: number): string {
  return `Start to end of a program, median of ${rounds}`
}

/** Where a program of the workspace is. */
export function binOf(packageName: string, program: string): string {
  const manifest = createRequire(import.meta.url).resolve(`@muster/${packageName}/package.json`)
  return path.join(path.dirname(manifest), 'bin', `${program}.js`)
}

async function runTimed(command: Command): Promise<number> {
  const startedAt = performance.now()
  await run(command, process.env)
  return performance.now() - startedAt
}

// Loaded into a program: says at its end how much memory it had at the most (getrusage, KiB). An executable takes no --import.
const TELL_PEAK = `process.on('exit', () => require('node:fs').writeSync(2, 'peak ' + process.resourceUsage().maxRSS + ' KiB'))`

async function runForPeak(command: Command, tellPeak: string): Promise<number> {
  const stderr = await run(command, { ...process.env, NODE_OPTIONS: `--require=${tellPeak}` })
  const peak = /peak (\d+) KiB/.exec(stderr)
  if (peak === null) throw new Error(`${command.what} did not say how much memory it had`)
  return Number(peak[1]) / 1024
}

function run({ what, file, args }: Command, env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { env }, (error, _stdout, stderr) => {
      if (error === null) resolve(stderr)
      else reject(new Error(`${what} failed:\n${stderr.trim()}`))
    })
  })
}
