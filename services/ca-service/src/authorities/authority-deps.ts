import type { Clock, Logger } from '@muster/runtime'
import type pg from 'pg'

/** The inputs of creating and loading authorities. */
export interface AuthorityDeps {
  pool: pg.Pool
  keyEncryptionKey: Buffer
  clusterName: string
  clock: Clock
  log: Logger
}
