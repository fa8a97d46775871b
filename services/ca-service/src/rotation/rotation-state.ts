import { type MemberKind, refusal } from '@muster/domain'

/** The phases of a rotation. A type of authority is in `standby` while no rotation runs. */
export const PHASES = ['standby', 'init', 'update_clients', 'update_servers', 'rollback'] as const
/** A phase of a rotation. Each move is named for the phase that it leads to. */
export type Phase = (typeof PHASES)[number]

/** Where the rotation of one type stands. `A` is whatever stands for an authority: its id, or all of it. */
export interface RotationState<A> {
  phase: Phase
  /** The authority that signed everything before the rotation started. */
  active: A
  /** The authority that is to replace it; undefined in standby. */
  next: A | undefined
}

interface PhaseRules {
  /** The phases that may follow; the first is the next step forward. */
  moves: readonly [Phase, ...Phase[]]
  /** Whether the next authority signs for nodes, bots and people. */
  nextSignsForClients: boolean
  /** Whether the next authority signs for services, the servers of the cluster. */
  nextSignsForServers: boolean
}

const RULES: Readonly<Record<Phase, PhaseRules>> = {
  standby: { moves: ['init'], nextSignsForClients: false, nextSignsForServers: false },
  init: { moves: ['update_clients', 'rollback'], nextSignsForClients: false, nextSignsForServers: false },
  update_clients: { moves: ['update_servers', 'rollback'], nextSignsForClients: true, nextSignsForServers: false },
  update_servers: { moves: ['standby', 'rollback'], nextSignsForClients: true, nextSignsForServers: true },
  rollback: { moves: ['standby'], nextSignsForClients: false, nextSignsForServers: false },
}

/** The phases that may follow a phase. */
export function allowedMoves(phase: Phase): readonly Phase[] {
  return RULES[phase].moves
}

/** The phase that automatic mode goes to next; undefined in standby, where a rotation has to be started. */
export function stepForward(phase: Phase): Phase | undefined {
  return phase === 'standby' ? undefined : RULES[phase].moves[0]
}

/** The authorities that members must trust: both during a rotation. The one that signs for services comes first. */
export function trustedAuthorities<A>({ phase, active, next }: RotationState<A>): A[] {
  if (next === undefined) return [active]
  return RULES[phase].nextSignsForServers ? [next, active] : [active, next]
}

/** The authority that signs for members of a kind. Services are the servers; every other member is a client. */
export function signerFor<A>({ phase, active, next }: RotationState<A>, kind: MemberKind): A {
  const { nextSignsForClients, nextSignsForServers } = RULES[phase]
  const nextSigns = kind === 'service' ? nextSignsForServers : nextSignsForClients
  return nextSigns && next !== undefined ? next : active
}

/** @throws failedPrecondition ROTATION_MOVE_NOT_ALLOWED that names the moves that are allowed */
export function assertMoveAllowed(phase: Phase, move: Phase): void {
  const allowed = allowedMoves(phase)
  if (allowed.includes(move)) return
  const from = phase === 'standby' ? 'no rotation is in progress' : `the rotation is in ${phase}`
  throw refusal('ROTATION_MOVE_NOT_ALLOWED', `${from}, so it cannot move to ${move}; allowed: ${allowed.join(', ')}`)
}

/**
 * The state after a move. `created` is the authority that a move to `init` brings in; no other move uses it. A move to
 * standby keeps the authority that signs for services and drops the other.
 * @throws failedPrecondition ROTATION_MOVE_NOT_ALLOWED that names the moves that are allowed
 */
export function afterMove<A>(state: RotationState<A>, move: Phase, created?: A): RotationState<A> {
  assertMoveAllowed(state.phase, move)
  if (move === 'init') return { phase: 'init', active: state.active, next: created }
  if (move === 'standby') return { phase: 'standby', active: signerFor(state, 'service'), next: undefined }
  return { ...state, phase: move }
}
