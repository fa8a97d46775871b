import type { Refusals } from '@muster/audit'
import type { Clock } from '@muster/runtime'
import type pg from 'pg'
import type { CurrentAuthorities } from './authorities/current-authorities.ts'
import type { Config } from './config.ts'

/** What the handlers share. */
export interface Deps {
  config: Config
  pool: pg.Pool
  clock: Clock
  refusals: Refusals
  authorities: CurrentAuthorities
}
