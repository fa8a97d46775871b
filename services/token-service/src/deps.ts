import type { Clock } from '@muster/runtime'
import type pg from 'pg'
import type { Config } from './config.ts'

/** What the handlers share. */
export interface Deps {
  config: Config
  pool: pg.Pool
  clock: Clock
}
