import type { Refusals } from '@muster/audit'
import type { ca, token, users } from '@muster/contracts'
import type { ClientOf } from '@muster/rpc'
import type { Clock } from '@muster/runtime'
import type { ServiceIdentity } from '@muster/service-kit'
import type pg from 'pg'
import type { ClonePolicy } from './clones/clone-policy.ts'
import type { TwinStreams } from './clones/twin-streams.ts'
import type { HeartbeatPace } from './nodes/heartbeat-pace.ts'
import type { EntryCounter } from './metrics/roll-metrics.ts'
import type { OpenStreams } from './nodes/open-streams.ts'
import type { Presence } from './presence/presence.ts'
import type { EntryLimits } from './entry/entry-limits.ts'

/** What the handlers share. */
export interface Deps {
  pool: pg.Pool
  presence: Presence
  pace: HeartbeatPace
  streams: OpenStreams
  tokens: Pick<ClientOf<typeof token.TokenServiceService>, 'spendToken' | 'createSignupToken' | 'revokeSignupTokens'>
  authority: Pick<ClientOf<typeof ca.CaServiceService>, 'signHost' | 'signBot' | 'signUser'>
  identity: Pick<ServiceIdentity, 'trustBundle' | 'signers'>
  refusals: Refusals
  /** Counts joins, signups and returns. */
  entries: EntryCounter
  /** The oldest agent that the cluster supports. */
  minimumAgentVersion: string
  clonePolicy: ClonePolicy
  /** How long after the end of its certificate a node may recover; 0: never. */
  recoveryWindowSeconds: number
  twins: TwinStreams
  entryLimits: EntryLimits
  people: PeopleSettings
  clock: Clock
}

/** The configuration of people. */
export interface PeopleSettings {
  /** From a signup until the person needs a reset. */
  sessionTtlSeconds: number
  addresses: users.OperatorAddresses
}
