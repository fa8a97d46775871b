import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Lifecycle } from '@muster/runtime'
import { ATTACKS } from './catalogue.ts'
import { type Arena, startArena } from './measure/arena.ts'
import { runAttack } from './measure/run-attack.ts'

const START_LIMIT_MS = 120_000
const DURATION_MS = 150

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
      const options = { arena, network, isQuick: true, durationMs: DURATION_MS, honestCpuPerSecond: 0 }
      expect(await runAttack(attack, options)).toMatchObject({ faults: [] })
    },
  )
})
