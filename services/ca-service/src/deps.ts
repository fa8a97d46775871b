import type { Refusals } from '@muster/audit'
import type { Clock } from '@muster/runtime'
import type pg from 'pg'
import type { CurrentAuthorities } from './authorities/current-authorities.ts'
import type { AuthorityDeps } from './authorities/authority-deps.ts'
import type { Config } from './config.ts'
import type { ProgressDeps } from './rotation/progress.ts'

/** What it takes to issue a certificate. */
export type IssuingDeps = Pick<Deps, 'config' | 'pool' | 'clock' | 'authorities'>

/** What the handlers share. */
export interface Deps {
  config: Config
  pool: pg.Pool
  clock: Clock
  refusals: Refusals
  authorities: CurrentAuthorities
  authorityDeps: AuthorityDeps
  /** registration-service, which knows who has confirmed a phase of a rotation. */
  register: ProgressDeps['register']
}
