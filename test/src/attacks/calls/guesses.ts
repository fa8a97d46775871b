import type { Attack } from '../attack.ts'
import { call, openHttp2, PATHS, STATUS } from '../tools/calls.ts'
import { times, untilOver } from '../tools/repeat.ts'
import { newCsr, registerMessage } from '../tools/requests.ts'

/** What a source may guess at once, and how long (ms) each further guess takes. */
const MOST = 20
const MS_PER_GUESS = 3_000

/** Guesses a custom token, in bursts, so that many guesses are on their way before the first is refused. */
export const guesses: Attack = {
  name: 'guesses',
  tries: 'guesses of a custom token, all at once over twenty connections',
  counted: ['calls RESOURCE_EXHAUSTED'],
  allowed(rise) {
    const asked = rise('token-service SpendToken') - rise('registration-service Register')
    return asked > 0 ? `token-service was asked ${asked} times more than there were joins` : undefined
  },
  async run(stage) {
    const csrDer = newCsr()
    const sessions = await Promise.all(Array.from({ length: stage.size(20, 4) }, () => openHttp2(stage)))
    const guessed = { checked: 0, limited: 0, other: 0 }
    const count = stage.size(1_800, 120)
    const startedAt = performance.now()
    // Answers over the limit are held back; the attack does not wait for them.
    const burst = times(stage, count, count, async (i) => {
      const message = registerMessage({ token: `guess-number-${i}-of-many`, csrDer })
      const status = await call(sessions[i % sessions.length]!, PATHS.register, message)
      if (status === STATUS.permissionDenied) guessed.checked += 1
      else if (status === STATUS.resourceExhausted) guessed.limited += 1
      else guessed.other += 1
    })
    await Promise.race([burst, untilOver(stage)])
    const most = MOST + Math.ceil((performance.now() - startedAt) / MS_PER_GUESS)
    return {
      counts: { sent: count, ...guessed },
      allowed: guessed.checked > most ? `${guessed.checked} guesses were checked, the limit is ${most}` : undefined,
    }
  },
}
