import { describe, expect, test } from '@jest/globals'
import { MEMBER_KINDS } from '@muster/domain'
import {
  afterMove,
  allowedMoves,
  type Phase,
  PHASES,
  type RotationState,
  signerFor,
  stepForward,
  trustedAuthorities,
} from './rotation-state.ts'

const standby: RotationState<string> = { phase: 'standby', active: 'old', next: undefined }
const stateIn = (phase: Phase): RotationState<string> =>
  phase === 'standby' ? standby : { phase, active: 'old', next: 'new' }
const created = 'new'

describe('a rotation', () => {
  test('a rotation goes from standby through three phases to standby with the new authority', () => {
    let state = afterMove(standby, 'init', created)
    const phases: Phase[] = [state.phase]
    while (state.phase !== 'standby') {
      state = afterMove(state, stepForward(state.phase)!, created)
      phases.push(state.phase)
    }
    expect(phases).toEqual(['init', 'update_clients', 'update_servers', 'standby'])
    expect(state).toEqual({ phase: 'standby', active: 'new', next: undefined })
    expect(stepForward('standby')).toBeUndefined()
  })

  test.each<[Phase, string[], string, string]>([
    ['standby', ['old'], 'old', 'old'],
    ['init', ['old', 'new'], 'old', 'old'],
    ['update_clients', ['old', 'new'], 'new', 'old'],
    ['update_servers', ['new', 'old'], 'new', 'new'],
    ['rollback', ['old', 'new'], 'old', 'old'],
  ])(
    'a rotation in %s trusts %j, signs for clients by %s and for services by %s',
    (phase, trusted, client, service) => {
      expect(trustedAuthorities(stateIn(phase))).toEqual(trusted)
      for (const kind of MEMBER_KINDS)
        expect(signerFor(stateIn(phase), kind)).toBe(kind === 'service' ? service : client)
    },
  )

  test.each(['init', 'update_clients', 'update_servers'] as const)(
    'a rotation in %s can be rolled back, and then keeps the old authority',
    (phase) => {
      const back = afterMove(stateIn(phase), 'rollback', created)
      expect(trustedAuthorities(back)).toEqual(['old', 'new'])
      expect(afterMove(back, 'standby', created)).toEqual(standby)
    },
  )

  const pairs = PHASES.flatMap((from) => PHASES.map((to) => [from, to] as const))

  test.each(pairs.filter(([from, to]) => allowedMoves(from).includes(to)))(
    'a rotation in %s can move to %s',
    (from, to) => {
      expect(afterMove(stateIn(from), to, created).phase).toBe(to)
    },
  )

  test.each(pairs.filter(([from, to]) => !allowedMoves(from).includes(to)))(
    'a rotation in %s cannot move to %s, and the error names the moves that are allowed',
    (from, to) => {
      const message = new RegExp(`cannot move to ${to}; allowed: ${allowedMoves(from).join(', ')}$`)
      expect(() => afterMove(stateIn(from), to, created)).toThrow(message)
    },
  )
})
