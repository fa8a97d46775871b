import { setTimeout as delay } from 'node:timers/promises'
import type { Lifecycle } from '@muster/runtime'
import type { Step } from '../../bench/bench.ts'
import type { Attack } from '../attack.ts'
import { ATTACKS } from '../catalogue.ts'
import { startArena, type Arena } from './arena.ts'
import { servicesCpuMs } from './cost.ts'
import { type Outcome, runAttack } from './run-attack.ts'

/** Which attacks to run, and how. */
export interface SuiteOptions {
  attacks: readonly Attack[]
  isQuick: boolean
  /** How long each attack lasts; some take longer, to see a limit of time pass. */
  durationMs: number
  step: Step
}

/** How long honest callers run alone before the first attack, so that their cost is known. */
const BASELINE_MS = 3_000

/** Starts a cluster and runs the attacks on it, one after another. `life` ends all of it. */
export async function runSuite(options: SuiteOptions, life: Lifecycle): Promise<Outcome[]> {
  const { attacks, step, isQuick } = options
  const arena = await step('a cluster with honest members and newcomers', () => startArena(life, options))
  const honestCpuPerSecond = isQuick ? 0 : await step('honest callers alone', () => honestCost(arena))
  const outcomes: Outcome[] = []
  for (const attack of attacks) {
    const network = 1 + ATTACKS.indexOf(attack)
    const work = () => runAttack(attack, { ...options, arena, network, honestCpuPerSecond })
    outcomes.push(await step(attack.name, work))
  }
  return outcomes
}

async function honestCost(arena: Arena): Promise<number> {
  const honest = await arena.honestAt(ATTACKS[0]!)
  await delay(BASELINE_MS / 3)
  const before = servicesCpuMs(arena.cluster)
  await delay(BASELINE_MS)
  const spent = servicesCpuMs(arena.cluster) - before
  await honest.felt()
  return spent / (BASELINE_MS / 1000)
}
