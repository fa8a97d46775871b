import { mkdir, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { processIo, runProgram } from '@muster/cli-kit/run'
import { Lifecycle, VERSION } from '@muster/runtime'
import { createBench, type Bench } from './bench.ts'
import { benchProgram, type BenchOptions, type RowName } from './options.ts'
import { stepsTo } from './progress.ts'
import { compared, renderTable, verdict, type Section } from './report.ts'
import { measureCli } from './rows/cli.ts'
import { measureHeartbeats } from './rows/heartbeats.ts'
import { measureJoins } from './rows/joins.ts'
import { measureList } from './rows/list.ts'
import { measureMemory } from './rows/memory.ts'
import { measureStart } from './rows/start.ts'
import { measureStrangers } from './rows/strangers.ts'
import { measureTokens } from './rows/tokens.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

const MEASURES: Record<RowName, (bench: Bench) => Promise<Section>> = {
  joins: measureJoins,
  heartbeats: measureHeartbeats,
  strangers: measureStrangers,
  memory: measureMemory,
  list: measureList,
  tokens: measureTokens,
  cli: measureCli,
  start: measureStart,
}

async function measure(options: BenchOptions, life: Lifecycle): Promise<void> {
  const startedAt = new Date()
  const loadBefore = os.loadavg()[0]!
  const bench = createBench(options, life, stepsTo(process.stdout))
  const sections: Section[] = []
  for (const row of options.rows) {
    sections.push(await MEASURES[row](bench))
  }
  process.stdout.write(`\n${renderTable(sections)}\n`)
  const machine = { cpus: os.cpus().length, model: os.cpus()[0]?.model, node: process.version, loadBefore }
  process.stdout.write(
    `${machine.cpus} x ${machine.model}, Node ${machine.node}, load before the run ${loadBefore.toFixed(1)}. ` +
      `docs/bench.md says how to read this.\n`,
  )
  const file = path.join(options.resultsDir, `${startedAt.toISOString().replaceAll(':', '-')}.json`)
  await mkdir(options.resultsDir, { recursive: true })
  const figures = sections.map((section) => ({
    ...section,
    lines: section.lines.map((line) => ({ ...line, against: compared(line), verdict: verdict(line) })),
  }))
  await writeFile(file, `${JSON.stringify({ version: VERSION, startedAt, options, machine, figures }, null, 2)}\n`)
  process.stdout.write(`Kept in ${path.relative(process.cwd(), file)}\n`)
}

const life = new Lifecycle()
let stopping = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping) process.exit(130)
    stopping = true
    process.stdout.write('\nStopping.\n')
    void life.close().finally(() => process.exit(130))
  })
}

const program = benchProgram(root, async (options) => {
  try {
    await measure(options, life)
  } catch (error) {
    // The stack, since a failure here is one of the bench or of the services.
    if (!stopping) throw new Error((error as Error).stack, { cause: error })
  } finally {
    if (!stopping) await life.close()
  }
})
const status = await runProgram(program, process.argv.slice(2), processIo('npm run bench'))
// After a signal, its handler decides on the status.
if (!stopping) process.exit(status)
