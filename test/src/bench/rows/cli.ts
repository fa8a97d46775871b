import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import type { Bench } from '../bench.ts'
import type { Line, Section } from '../report.ts'
import { median } from '../statistics.ts'

/** How much longer than a Node that does nothing a program may take. */
const MOST_MS: Record<string, number> = { 'musterctl --help': 60, 'musterctl status': 200 }

/** How long the programs that people type take from start to end, beside a Node that does nothing. */
export async function measureCli(bench: Bench): Promise<Section> {
  const rounds = bench.options.quick ? 3 : 10
  const { operatorDir } = (await bench.cluster()).controlPlane
  const commands: [string, string[]][] = [
    ['node -e 0', ['-e', '0']],
    ['musterctl --help', [binOf('admin-cli', 'musterctl'), '--help']],
    ['musterctl status', [binOf('admin-cli', 'musterctl'), 'status', '--identity', operatorDir]],
    ['muster --help', [binOf('agent', 'muster'), '--help']],
  ]
  const times = new Map<string, number[]>(commands.map(([name]) => [name, []]))
  // The first round is not counted: it reads the programs from the disk.
  for (let round = 0; round <= rounds; round++) {
    await bench.step(`programs, ${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}`, async () => {
      for (const [name, args] of commands) {
        const ms = await runTimed(args)
        if (round > 0) times.get(name)!.push(ms)
      }
    })
  }
  const [floor, ...programs] = commands.map(([name]) => ({ what: name, value: median(times.get(name)!) }))
  const lines = programs.map((program): Line => {
    const atMost = MOST_MS[program.what]
    return {
      ...program,
      unit: 'ms',
      floor: floor!,
      by: 'difference',
      ...(atMost !== undefined && { target: { atMost } }),
    }
  })
  return { row: 'cli', title: `Start to end of a program, median of ${rounds}`, lines }
}

/** Where a program of the workspace is. */
export function binOf(packageName: string, program: string): string {
  const manifest = createRequire(import.meta.url).resolve(`@muster/${packageName}/package.json`)
  return path.join(path.dirname(manifest), 'bin', `${program}.js`)
}

function runTimed(args: string[]): Promise<number> {
  const startedAt = performance.now()
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, (error, _stdout, stderr) => {
      if (error === null) resolve(performance.now() - startedAt)
      else reject(new Error(`${args.join(' ')} failed:\n${stderr.trim()}`))
    })
  })
}
