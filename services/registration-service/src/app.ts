import { fileURLToPath } from 'node:url'
import { migrateWithAudit, openAudit } from '@muster/audit'
import { ca, token } from '@muster/contracts'
import { asAppError, openPool } from '@muster/postgres'
import { connect } from '@muster/rpc'
import type { RpcServer } from '@muster/rpc/server'
import { type Lifecycle, type Logger, systemClock } from '@muster/runtime'
import { enrollService, openServer } from '@muster/service-kit'
import { botService } from './bots/service.ts'
import type { Config } from './config.ts'
import { HeartbeatPace } from './nodes/heartbeat-pace.ts'
import { OpenStreams } from './nodes/open-streams.ts'
import { Presence } from './presence/presence.ts'
import { callRoll } from './nodes/roll-call.ts'
import { RefusedAttempts } from './entry/refused-attempts.ts'
import { registrationService } from './nodes/service.ts'
import { operatorRoles } from './users/check-operator.ts'
import { userService } from './users/service.ts'

export { configSchema, type Config } from './config.ts'

const SCHEMA = 'registration'

/** Opens registration-service. Each part is handed to `life`, which closes them in reverse order. */
export async function startApp(config: Config, log: Logger, life: Lifecycle): Promise<RpcServer> {
  const databaseUrl = config.MUSTER_DATABASE_URL_FILE
  await migrateWithAudit(
    { databaseUrl, schema: SCHEMA, folder: fileURLToPath(new URL('../migrations', import.meta.url)) },
    log,
  )
  const applicationName = 'registration-service'
  const poolOptions = { databaseUrl, schema: SCHEMA, applicationName, size: config.MUSTER_DATABASE_POOL_SIZE }
  const pool = life.own('database', openPool(poolOptions, log), (p) => p.end())

  const retentionSeconds = config.MUSTER_AUDIT_RETENTION
  const audit = openAudit({ name: 'registration-service', pool, retentionSeconds, clock: systemClock, log }, life)

  const identity = await enrollService({
    name: 'registration-service',
    caAddresses: config.MUSTER_CA_ADDRS,
    caPins: config.MUSTER_CA_PINS,
    enrollToken: config.MUSTER_ENROLL_TOKEN_FILE,
    dnsNames: config.MUSTER_TLS_DNS_NAMES,
    clock: systemClock,
    log,
    signal: life.signal,
  })
  const { tls, clusterName } = identity
  const toService = { identity: tls, clusterName, retryUnavailable: true }
  const tokens = life.own(
    'connection to token-service',
    connect({ ...toService, addresses: config.MUSTER_TOKEN_ADDRS, service: 'token-service' }),
    (connection) => connection.close(),
  )
  const authority = life.own(
    'connection to ca-service',
    connect({ ...toService, addresses: config.MUSTER_CA_ADDRS, service: 'ca-service' }),
    (connection) => connection.close(),
  )

  const redisUrl = config.MUSTER_REDIS_URL_FILE
  const presence = life.own('presence', new Presence({ redisUrl, clusterName, log }), (p) => p.close())
  const perMinute = config.MUSTER_REFUSED_JOINS_PER_MINUTE
  const limiter = new RefusedAttempts({ redisUrl, clusterName, perMinute, log })
  const refusedAttempts = life.own('refused attempts', limiter, (attempts) => attempts.close())
  const pace = new HeartbeatPace({
    baseIntervalMs: config.MUSTER_HEARTBEAT_INTERVAL_MS,
    missedLimit: config.MUSTER_HEARTBEAT_MISSED_LIMIT,
    beatsPerSecond: config.MUSTER_HEARTBEATS_PER_SECOND,
  })
  const streams = life.own('open streams', new OpenStreams({ pool, presence, log }), (open) => open.close())
  const rollCall = { ended: callRoll({ pool, presence, pace, streams, clock: systemClock, log }, life.signal) }
  life.own('roll call', rollCall, ({ ended }) => ended)

  const deps = {
    pool,
    presence,
    pace,
    streams,
    tokens: tokens.client(token.TokenServiceService),
    authority: authority.client(ca.CaServiceService),
    identity,
    refusals: audit.refusals,
    refusedAttempts,
    people: {
      sessionTtlSeconds: config.MUSTER_USER_SESSION_TTL,
      addresses: {
        registrationService: config.MUSTER_PUBLIC_ADDR,
        tokenService: config.MUSTER_PUBLIC_TOKEN_ADDR,
        caService: config.MUSTER_PUBLIC_CA_ADDR,
      },
    },
    clock: systemClock,
  }
  return openServer(
    {
      name: 'registration-service',
      listenAddress: config.MUSTER_LISTEN_ADDR,
      diagnosticsAddress: config.MUSTER_DIAGNOSTICS_ADDR,
      drainTimeoutMs: config.MUSTER_DRAIN_TIMEOUT_MS,
      identity: tls,
      clusterName,
      services: [registrationService(deps), botService(deps), userService(deps), audit.service],
      onRefused: audit.onRefused,
      currentRoles: operatorRoles(pool),
      mapError: asAppError,
      // Redis is no part of it: without it nodes show as unknown, and joins go on.
      check: () => pool.query('select 1'),
      clock: systemClock,
      log,
    },
    life,
  )
}
