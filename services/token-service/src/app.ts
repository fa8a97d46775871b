import { fileURLToPath } from 'node:url'
import { migrateWithAudit, openAudit } from '@muster/audit'
import { users } from '@muster/contracts'
import { asAppError, openPool } from '@muster/postgres'
import { connect } from '@muster/rpc'
import type { RpcServer } from '@muster/rpc/server'
import { type Lifecycle, type Logger, systemClock } from '@muster/runtime'
import { askRegister, enrollService, openServer } from '@muster/service-kit'
import type { Config } from './config.ts'
import { purgeTokens } from './store/purge.ts'
import { tokenService } from './rpc/service.ts'
import { StaticTokens } from './static/static-tokens.ts'

export { configSchema, type Config } from './config.ts'

const SCHEMA = 'token'
const PURGE_EVERY_MS = 60 * 60_000

/** Opens token-service. Each part is handed to `life`, which closes them in reverse order. */
export async function startApp(config: Config, log: Logger, life: Lifecycle): Promise<RpcServer> {
  const databaseUrl = config.MUSTER_DATABASE_URL_FILE
  await migrateWithAudit(
    { databaseUrl, schema: SCHEMA, folder: fileURLToPath(new URL('../migrations', import.meta.url)) },
    log,
  )
  const poolOptions = {
    databaseUrl,
    schema: SCHEMA,
    applicationName: 'token-service',
    size: config.MUSTER_DATABASE_POOL_SIZE,
  }
  const pool = life.own('database', openPool(poolOptions, log), (p) => p.end())

  const staticTokens = new StaticTokens(config.MUSTER_CONFIG_FILE, pool, config.MUSTER_PEPPER_FILE, log)
  await staticTokens.store()
  life.own('static tokens', { ended: staticTokens.watch(systemClock, life.signal) }, ({ ended }) => ended)

  const retentionSeconds = config.MUSTER_AUDIT_RETENTION
  const audit = openAudit({ name: 'token-service', pool, retentionSeconds, clock: systemClock, log }, life)

  const purge = () =>
    purgeTokens(pool, staticTokens.configured, config.MUSTER_TOKEN_RETENTION).then(
      (count) => log.debug({ event: 'tokens.purged', count }, 'purged old tokens'),
      (error: unknown) => log.warn({ err: error }, 'could not purge old tokens; the next round tries again'),
    )
  life.own(
    'purge',
    setInterval(() => void purge(), PURGE_EVERY_MS),
    clearInterval,
  )

  const identity = await enrollService({
    name: 'token-service',
    caAddresses: config.MUSTER_CA_ADDRS,
    caPins: config.MUSTER_CA_PINS,
    enrollToken: config.MUSTER_ENROLL_TOKEN_FILE,
    dnsNames: config.MUSTER_TLS_DNS_NAMES,
    clock: systemClock,
    log,
    signal: life.signal,
  })
  const registration = life.own(
    'connection to registration-service',
    connect({
      identity: identity.tls,
      clusterName: identity.clusterName,
      addresses: config.MUSTER_REGISTRATION_ADDRS,
      service: 'registration-service',
      retryUnavailable: true,
    }),
    (connection) => connection.close(),
  )
  return openServer(
    {
      name: 'token-service',
      listenAddress: config.MUSTER_LISTEN_ADDR,
      diagnosticsAddress: config.MUSTER_DIAGNOSTICS_ADDR,
      drainTimeoutMs: config.MUSTER_DRAIN_TIMEOUT_MS,
      identity: identity.tls,
      clusterName: identity.clusterName,
      services: [
        tokenService({ config, pool, refusals: audit.refusals, staticTokens, clock: systemClock }),
        audit.service,
      ],
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
