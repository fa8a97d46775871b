import { expect, test } from '@jest/globals'
import type { MemberKind } from '@muster/domain'
import fc from 'fast-check'
import { afterMove, allowedMoves, type RotationState, signerFor, trustedAuthorities } from './rotation-state.ts'

interface Member {
  kind: MemberKind
  trusts: number[]
  /** The authority of its certificate. */
  certifiedBy: number
  /** How many moves it knows of. */
  knows: number
}

/** A cluster in which each member learns of a move at a time of its own. */
class Model {
  moves = 0
  authorities = 1
  state: RotationState<number> = { phase: 'standby', active: 1, next: undefined }
  members: Member[] = []

  join(kind: MemberKind): void {
    this.members.push({ kind, ...this.#grant(kind) })
  }

  /** The member fetches the bundle and renews, as it does when it hears of the move. */
  learn(index: number): void {
    const member = this.members[index % this.members.length]
    if (member !== undefined) Object.assign(member, this.#grant(member.kind))
  }

  /** Moves as automatic mode does: only once every member knows the current phase. A rollback and a start may come early. */
  move(choice: number): void {
    const moves = allowedMoves(this.state.phase)
    const move = moves[choice % moves.length]!
    const isConfirmed = this.members.every(({ knows }) => knows === this.moves)
    if (!isConfirmed && move !== 'rollback' && move !== 'init') return
    this.state = afterMove(this.state, move, this.authorities + 1)
    if (move === 'init') this.authorities += 1
    this.moves += 1
  }

  #grant(kind: MemberKind) {
    return { trusts: trustedAuthorities(this.state), certifiedBy: signerFor(this.state, kind), knows: this.moves }
  }
}

type Step = { join: MemberKind } | { learn: number } | { learnAll: true } | { move: number }

const steps = fc.array(
  fc.oneof(
    { weight: 1, arbitrary: fc.record({ join: fc.constantFrom<MemberKind>('node', 'bot', 'service') }) },
    { weight: 6, arbitrary: fc.record({ learn: fc.nat(7) }) },
    { weight: 2, arbitrary: fc.record({ learnAll: fc.constant(true as const) }) },
    // Forward more often than back.
    { weight: 5, arbitrary: fc.record({ move: fc.constantFrom(0, 0, 0, 0, 1) }) },
  ),
  { maxLength: 100, size: 'max' },
)

function doesEveryoneTalk({ members }: Model): boolean {
  const services = members.filter(({ kind }) => kind === 'service')
  return services.every((service) =>
    members.every(
      (member) => member.trusts.includes(service.certifiedBy) && service.trusts.includes(member.certifiedBy),
    ),
  )
}

test('every member can talk to every service at each moment of any rotations, rollbacks and joins', () => {
  let completed = 0
  fc.assert(
    fc.property(steps, (run: Step[]) => {
      const model = new Model()
      model.join('service')
      model.join('service')
      model.join('node')
      for (const step of run) {
        if ('join' in step) model.join(step.join)
        else if ('learn' in step) model.learn(step.learn)
        else if ('learnAll' in step) for (const index of model.members.keys()) model.learn(index)
        else model.move(step.move)
        if (!doesEveryoneTalk(model)) return false
      }
      if (model.state.active > 1) completed += 1
      return true
    }),
    { numRuns: 300 },
  )
  // The runs are long enough to rotate, or they would show nothing.
  expect(completed).toBeGreaterThan(10)
})
