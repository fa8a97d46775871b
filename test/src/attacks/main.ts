import { processIo, runProgram } from '@muster/cli-kit/run'
import { styleFor } from '@muster/cli-kit/print'
import { Lifecycle } from '@muster/runtime'
import { stepsTo } from '../bench/progress.ts'
import { runSuite } from './measure/suite.ts'
import { renderOutcomes } from './measure/report.ts'
import { attackProgram, type AttackOptions } from './options.ts'

const NOTE =
  'A source, a node or a bot may cost some CPU time at once. --seconds 30 shows what one costs over a longer time.\n'

const life = new Lifecycle()
let stopping = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping) process.exit(130)
    stopping = true
    process.stderr.write('\nStopping.\n')
    void life.close().finally(() => process.exit(130))
  })
}

async function attack({ isList, isJson, ...options }: AttackOptions): Promise<number> {
  if (isList) {
    const width = Math.max(...options.attacks.map(({ name }) => name.length))
    process.stdout.write(options.attacks.map(({ name, tries }) => `${name.padEnd(width)}  ${tries}\n`).join(''))
    return 0
  }
  try {
    const outcomes = await runSuite({ ...options, step: stepsTo(process.stderr) }, life)
    process.stdout.write(
      isJson
        ? `${JSON.stringify(outcomes, null, 2)}\n`
        : `\n${renderOutcomes(outcomes, styleFor(process.stdout, process.env))}\n${NOTE}`,
    )
    return outcomes.some(({ faults }) => faults.length > 0) ? 1 : 0
  } catch (error) {
    // The stack, since a failure here is one of the attacks or of the services.
    if (!stopping) throw new Error((error as Error).stack, { cause: error })
    return 130
  } finally {
    if (!stopping) await life.close()
  }
}

const status = await runProgram(attackProgram(attack), process.argv.slice(2), processIo('npm run attack'))
// After a signal, its handler decides on the status.
if (!stopping) process.exit(status)
