import type { Config } from './config.ts'
import type { HttpsListener } from './listener/https-listener.ts'
import type { Bundle } from './trust/bundle.ts'

/** What the routes share. */
export interface Deps {
  config: Config
  clusterName: string
  bundle: Bundle
  /** Pays for long answers; undefined until the web face listens. */
  listener(): HttpsListener | undefined
  /** Whether the certificate is an administrator's. */
  isPublic: boolean
}
