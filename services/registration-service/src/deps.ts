import type { Refusals } from '@muster/audit'
import type { ca, token } from '@muster/contracts'
import type { ClientOf } from '@muster/rpc'
import type { ServiceIdentity } from '@muster/rpc/server'
import type { Clock } from '@muster/runtime'
import type pg from 'pg'
import type { HeartbeatPace } from './heartbeat-pace.ts'
import type { Presence } from './presence.ts'

/** What the handlers share. */
export interface Deps {
  pool: pg.Pool
  presence: Presence
  pace: HeartbeatPace
  tokens: Pick<ClientOf<typeof token.TokenServiceService>, 'spendToken'>
  authority: Pick<ClientOf<typeof ca.CaServiceService>, 'signHost'>
  identity: Pick<ServiceIdentity, 'trustBundle'>
  refusals: Refusals
  clock: Clock
}
