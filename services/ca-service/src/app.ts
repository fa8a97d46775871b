import { fileURLToPath } from 'node:url'
import { migrateWithAudit, openAudit } from '@muster/audit'
import { users } from '@muster/contracts'
import { asAppError, openPool } from '@muster/postgres'
import { connect } from '@muster/rpc'
import type { RpcServer } from '@muster/rpc/server'
import { type Lifecycle, type Logger, systemClock } from '@muster/runtime'
import { askRegister, openServer } from '@muster/service-kit'
import { ensureAuthorities } from './authorities/authorities.ts'
import type { Config } from './config.ts'
import type { Deps } from './deps.ts'
import { issueOwnIdentity } from './issuing/own-identity.ts'
import { purgeCertificates } from './issuing/issue-certificate.ts'
import { caService } from './rpc/service.ts'

export { configSchema, type Config } from './config.ts'

const SCHEMA = 'ca'
/** Issuing CAs live for months, so an hour is soon enough to notice a new one. */
const AUTHORITY_REFRESH_MS = 60 * 60_000

/** Opens ca-service. Each part is handed to `life`, which closes them in reverse order. */
export async function startApp(config: Config, log: Logger, life: Lifecycle): Promise<RpcServer> {
  const databaseUrl = config.MUSTER_DATABASE_URL_FILE
  const clusterName = config.MUSTER_CLUSTER_NAME
  const folder = fileURLToPath(new URL('../migrations', import.meta.url))
  await migrateWithAudit({ databaseUrl, schema: SCHEMA, folder }, log)
  const poolOptions = {
    databaseUrl,
    schema: SCHEMA,
    applicationName: 'ca-service',
    size: config.MUSTER_DATABASE_POOL_SIZE,
  }
  const pool = life.own('database', openPool(poolOptions, log), (p) => p.end())

  const retentionSeconds = config.MUSTER_AUDIT_RETENTION
  const audit = openAudit({ name: 'ca-service', pool, retentionSeconds, clock: systemClock, log }, life)

  const authorityDeps = {
    pool,
    keyEncryptionKey: config.MUSTER_KEY_ENCRYPTION_KEY_FILE,
    clusterName,
    clock: systemClock,
    log,
  }
  let authorities = await ensureAuthorities(authorityDeps)
  const refresh = async () => {
    authorities = await ensureAuthorities(authorityDeps).catch((error: unknown) => {
      log.error({ err: error }, 'could not refresh the authorities; the last ones stay in use')
      return authorities
    })
    await purgeCertificates(pool).catch((error: unknown) =>
      log.warn({ err: error }, 'could not purge old certificates'),
    )
  }
  life.own(
    'authority refresh',
    setInterval(() => void refresh(), AUTHORITY_REFRESH_MS),
    clearInterval,
  )

  const deps: Deps = {
    config,
    pool,
    clock: systemClock,
    refusals: audit.refusals,
    authorities: () => authorities,
  }
  const identity = await issueOwnIdentity(deps, log, life.signal)
  const registration = life.own(
    'connection to registration-service',
    connect({
      identity,
      clusterName,
      addresses: config.MUSTER_REGISTRATION_ADDRS,
      service: 'registration-service',
      retryUnavailable: true,
    }),
    (connection) => connection.close(),
  )
  return openServer(
    {
      name: 'ca-service',
      listenAddress: config.MUSTER_LISTEN_ADDR,
      diagnosticsAddress: config.MUSTER_DIAGNOSTICS_ADDR,
      drainTimeoutMs: config.MUSTER_DRAIN_TIMEOUT_MS,
      identity,
      clusterName,
      services: [caService(deps), audit.service],
      onRefused: audit.onRefused,
      currentRoles: askRegister(registration.client(users.UserServiceService)),
      mapError: asAppError,
      check: () => pool.query('select 1'),
      clock: systemClock,
      log,
    },
    life,
  )
}
