import type { Refusals } from '@muster/audit'
import type { Clock } from '@muster/runtime'
import type pg from 'pg'
import type { Authorities } from './authorities/authorities.ts'
import type { Config } from './config.ts'

/** What the handlers share. */
export interface Deps {
  config: Config
  pool: pg.Pool
  clock: Clock
  refusals: Refusals
  /** The authorities as last loaded. */
  authorities(): Authorities
}
