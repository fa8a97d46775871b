import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Lifecycle } from '@muster/runtime'
import { ATTACKS } from './catalogue.ts'
import { type Arena, startArena } from './measure/arena.ts'
import { type Outcome, runAttack } from './measure/run-attack.ts'

const START_LIMIT_MS = 120_000
/** A moment; longer where the machine is too busy for the attacker to do in a moment what the services must notice. */
const DURATIONS_MS = [150, 2_000, 20_000]

const life = new Lifecycle()
let arena: Arena
beforeAll(async () => {
  arena = await startArena(life, { isQuick: true })
}, START_LIMIT_MS)
afterAll(() => life.close(), START_LIMIT_MS)

describe('a cluster under attack', () => {
  test.each(ATTACKS)(
    'honest joins succeed, members keep their streams, and the service notices $name: $tries',
    async (attack) => {
      const network = 1 + ATTACKS.indexOf(attack)
      const options = { arena, network, isQuick: true, honestCpuPerSecond: 0 }
      let outcome: Outcome | undefined
      for (const durationMs of DURATIONS_MS) {
        outcome = await runAttack(attack, { ...options, durationMs })
        if (attack.counted === undefined || outcome.counted.length > 0) break
      }
      expect(outcome).toMatchObject({ faults: [] })
    },
  )
})
