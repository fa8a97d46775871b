import type { Clock } from '@muster/runtime'
import type pg from 'pg'
import type { Config } from './config.ts'
import type { StaticTokens } from './static-tokens.ts'

/** What the handlers share. */
export interface Deps {
  config: Config
  pool: pg.Pool
  staticTokens: Pick<StaticTokens, 'configured'>
  clock: Clock
}
