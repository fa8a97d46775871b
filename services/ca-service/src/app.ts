import { confirmations } from '@muster/contracts'
import { repeatEvery } from '@muster/runtime'
import { openService, type ServiceStart } from '@muster/service-kit'
import { ensureAuthorities } from './authorities/authorities.ts'
import { showAuthorities } from './authorities/authority-metric.ts'
import { CurrentAuthorities } from './authorities/current-authorities.ts'
import { type Config, DESCRIPTOR } from './config.ts'
import type { Deps } from './deps.ts'
import { purgeCertificates } from './issuing/issue-certificate.ts'
import { issueOwnIdentity } from './issuing/own-identity.ts'
import { driveRotations } from './rotation/automatic-rotation.ts'
import { purgeReplicas } from './rotation/replica-rows.ts'
import { currentRevision } from './rotation/rotation-rows.ts'
import { caService } from './rpc/service.ts'

/** The folder of the migrations of ca-service. */
export const MIGRATIONS = new URL('../migrations', import.meta.url)
/** Issuing CAs live for months, so an hour is soon enough to notice a new one and to purge old certificates. */
const REFRESH_EVERY_MS = 60 * 60_000
/** A replica that has nothing to sign learns of a move within a second: one row is read. */
const FOLLOW_EVERY_MS = 1_000
/** As often as the other services confirm. */
const CONFIRM_EVERY_MS = 5_000
/** How often automatic mode looks who has confirmed. */
const DRIVE_EVERY_MS = 2_000

/** Opens ca-service: the authorities, its identity, which it issues to itself, and what every service has. */
export async function startApp(start: ServiceStart<Config>): Promise<void> {
  const { config, log, life, clock } = start
  const { pool, audit, background, metrics, join } = await openService(DESCRIPTOR, start, MIGRATIONS)

  const keyEncryptionKey = config.MUSTER_KEY_ENCRYPTION_KEY_FILE
  const authorityDeps = { pool, keyEncryptionKey, clusterName: config.MUSTER_CLUSTER_NAME, clock, log }
  const authorities = await CurrentAuthorities.open(() => ensureAuthorities(authorityDeps))
  showAuthorities(metrics, () => authorities.current)
  const follow = () => authorities.follow(() => currentRevision(pool))
  repeatEvery({ task: 'authority-refresh', everyMs: REFRESH_EVERY_MS, work: () => authorities.reload() }, background)
  repeatEvery({ task: 'rotation-follow', everyMs: FOLLOW_EVERY_MS, work: follow }, background)
  const purge = (signal: AbortSignal) => purgeCertificates(pool, signal)
  repeatEvery({ task: 'certificate-purge', everyMs: REFRESH_EVERY_MS, work: purge }, background)
  repeatEvery({ task: 'replica-purge', everyMs: REFRESH_EVERY_MS, work: () => purgeReplicas(pool) }, background)

  const issuing = { config, pool, clock, authorities }
  const identity = await issueOwnIdentity(issuing, log, life.signal)
  repeatEvery({ task: 'rotation-confirm', everyMs: CONFIRM_EVERY_MS, work: () => identity.confirm() }, background)
  const { connections, serve } = await join(identity)
  const register = connections['registration-service'].client(confirmations.ConfirmationServiceService)
  const deps: Deps = { ...issuing, refusals: audit.refusals, authorityDeps, register }
  repeatEvery({ task: 'rotation-drive', everyMs: DRIVE_EVERY_MS, work: () => driveRotations(deps) }, background)
  await serve({ services: [caService(deps)] })
}
