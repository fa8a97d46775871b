import type { Refusals } from '@muster/audit'
import type { Clock } from '@muster/runtime'
import type pg from 'pg'
import type { Config } from './config.ts'
import type { StaticTokens } from './static/static-tokens.ts'

/** What the handlers share. */
export interface Deps {
  config: Config
  pool: pg.Pool
  refusals: Refusals
  staticTokens: Pick<StaticTokens, 'configured'>
  clock: Clock
}
