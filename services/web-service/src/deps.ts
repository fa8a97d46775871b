import type { Config } from './config.ts'
import type { Bundle } from './trust/bundle.ts'

/** What the routes share. */
export interface Deps {
  config: Config
  clusterName: string
  bundle: Bundle
  /** Whether the certificate is an administrator's. */
  isPublic: boolean
}
