import type { ca, confirmations } from '@muster/contracts'
import { type AuthorityType, messageOf } from '@muster/domain'
import type { Db } from '@muster/postgres'
import type { ClientOf } from '@muster/rpc'
import type { Authorities } from '../authorities/authorities.ts'
import { breakGlassUnder } from './break-glass-rows.ts'
import { liveReplicas, type Replica } from './replica-rows.ts'
import { signerFor } from './rotation-state.ts'

/** Where the progress of a rotation is known. */
export interface ProgressDeps {
  pool: Db
  /** registration-service, which knows the nodes, bots and people. */
  register: Pick<ClientOf<confirmations.ConfirmationServiceService>, 'countConfirmations'>
}

/** Who has confirmed the phase of a rotation. */
export interface Progress {
  confirmations: ca.Confirmations[]
  unconfirmed: ca.UnconfirmedMember[]
  /** Why nodes, bots and people are not counted; empty if they are. */
  unknown: string
}

/** The most members that are named of each kind. */
const NAMED = 100

/** True if every live member has confirmed the phase, and all of them are counted. */
export function isConfirmed({ confirmations, unknown }: Progress): boolean {
  return unknown === '' && confirmations.every(({ waiting }) => waiting === 0)
}

/**
 * Measures who has the trust bundle and the certificate of a phase. A member counts while its certificate is valid, seen or
 * not: one that sleeps and comes back would otherwise be cut off. A service counts while its process runs.
 */
export async function measureProgress(
  deps: ProgressDeps,
  authorities: Authorities,
  type: AuthorityType,
): Promise<Progress> {
  const version = authorities.host.rotation.trustVersion + authorities.user.rotation.trustVersion
  const serviceAuthority = signerFor(authorities.host, 'service').number
  const lags = (replica: Replica) =>
    replica.trustVersion < version || (type === 'host' && replica.authorityNumber !== serviceAuthority)
  const replicas = await liveReplicas(deps.pool)
  const late = replicas.filter(lags)
  const services = { kind: 'service', confirmed: replicas.length - late.length, waiting: late.length }

  const members = await askRegister(deps, authorities, type, version)
  const breakGlass = type === 'user' ? await breakGlassUnder(deps.pool, signerFor(authorities.user, 'user').id) : []
  const counted = members.confirmations.map((kind) =>
    kind.kind === 'user' ? { ...kind, waiting: kind.waiting + breakGlass.length } : kind,
  )
  return {
    confirmations: [services, ...counted],
    unconfirmed: [
      ...late.map((replica) => ({
        kind: 'service',
        id: replica.service,
        name: replica.hostname,
        lastSeenAt: undefined,
        certificateExpiresAt: undefined,
        hasBundle: replica.trustVersion >= version,
        hasCertificate: type === 'user' || replica.authorityNumber === serviceAuthority,
        isOnline: true,
      })),
      ...members.unconfirmed,
      ...breakGlass.slice(0, NAMED),
    ],
    unknown: members.unknown,
  }
}

async function askRegister(
  { register }: ProgressDeps,
  { host, user }: Authorities,
  type: AuthorityType,
  trustBundleVersion: number,
): Promise<Progress> {
  const kinds = type === 'host' ? ['node', 'bot'] : ['user']
  const nodeAuthority = signerFor(host, 'node').number
  const userAuthority = signerFor(user, 'user').number
  try {
    const request = { trustBundleVersion, nodeAuthority, userAuthority, kinds, limit: NAMED }
    return { ...(await register.countConfirmations(request)), unknown: '' }
  } catch (error) {
    return { confirmations: [], unconfirmed: [], unknown: `registration-service does not answer: ${messageOf(error)}` }
  }
}
