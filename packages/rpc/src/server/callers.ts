import { type AppError, type OperatorRole, refusal, type ServiceName } from '@muster/domain'
import type { Peer } from '../tls/peer.ts'

/** Who may call an RPC. Each service has one table of these; an RPC without an entry is refused. */
export type Callers =
  | { who: 'anyone'; admits?: true }
  | { who: 'node' }
  | { who: 'bot' }
  | { who: 'service'; names: readonly ServiceName[] }
  | { who: 'operator'; role: OperatorRole }

/** Anyone, with or without a certificate. For the few RPCs that carry their own proof or need none. */
export const anyone: Callers = { who: 'anyone' }
/** Anyone whose request proves that they may become a member, which a success makes them. */
export const newcomers: Callers = { who: 'anyone', admits: true }
/** Any node of the cluster. */
export const nodes: Callers = { who: 'node' }
/** Any bot of the cluster. */
export const bots: Callers = { who: 'bot' }
/** These services. */
export const services = (...names: ServiceName[]): Callers => ({ who: 'service', names })
/** People with at least this role. */
export const operators = (role: OperatorRole): Callers => ({ who: 'operator', role })

const RANK: Record<OperatorRole, number> = { viewer: 1, operator: 2, admin: 3 }

/**
 * Checks that a peer may call. @throws `unauthenticated` without a valid certificate, `permissionDenied` with one that the
 * table does not allow
 */
export function assertAllowed(callers: Callers | undefined, peer: Peer): void {
  if (callers === undefined) throw denied('nobody may call this RPC')
  if (callers.who === 'anyone') return
  if (peer.kind === 'anonymous') {
    throw refusal('NO_IDENTITY', 'this call needs a valid client certificate of the cluster')
  }
  switch (callers.who) {
    case 'node':
      if (peer.kind === 'node') return
      throw denied('only nodes may call this')
    case 'bot':
      if (peer.kind === 'bot') return
      throw denied('only bots may call this')
    case 'service':
      if (peer.kind === 'service' && callers.names.some((name) => name === peer.name)) return
      throw denied(`only ${callers.names.join(', ')} may call this`)
    case 'operator':
      if (peer.kind === 'user' && rankOf(peer.roles) >= RANK[callers.role]) return
      throw denied(`this needs an operator with the role ${callers.role}`)
  }
}

function rankOf(roles: readonly string[]): number {
  return Math.max(0, ...roles.map((role) => RANK[role as OperatorRole] ?? 0))
}

function denied(message: string): AppError {
  return refusal('CALLER_NOT_ALLOWED', message)
}
