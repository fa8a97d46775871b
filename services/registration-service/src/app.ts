import { ca, token } from '@muster/contracts'
import { openService, type ServiceStart } from '@muster/service-kit'
import { botService } from './bots/service.ts'
import { reportTwins } from './clones/report-clone.ts'
import { type Config, DESCRIPTOR } from './config.ts'
import type { Deps } from './deps.ts'
import { EntryLimits } from './entry/entry-limits.ts'
import { RefusedAttempts } from './entry/refused-attempts.ts'
import { entryCounter, showRoll } from './metrics/roll-metrics.ts'
import { HeartbeatPace } from './nodes/heartbeat-pace.ts'
import { OpenStreams } from './nodes/open-streams.ts'
import { registrationService } from './nodes/service.ts'
import { sweepPresence } from './nodes/sweep-presence.ts'
import { Presence } from './presence/presence.ts'
import { confirmationService } from './trust/service.ts'
import { operatorRoles } from './users/check-operator.ts'
import { userService } from './users/service.ts'

const MIGRATIONS = new URL('../migrations', import.meta.url)

/** Opens registration-service: presence, the limit of refused attempts, and what every service has. */
export async function startApp(start: ServiceStart<Config>): Promise<void> {
  const { config, log, life, clock } = start
  const { pool, audit, background, metrics, join } = await openService(DESCRIPTOR, start, MIGRATIONS)
  const { identity, connections, serve } = await join()

  const redis = { redisUrl: config.MUSTER_REDIS_URL_FILE, clusterName: identity.clusterName, log }
  const presence = life.own('presence', new Presence(redis), (p) => p.close())
  const limiter = new RefusedAttempts({ ...redis, perMinute: config.MUSTER_REFUSED_JOINS_PER_MINUTE })
  const refusedAttempts = life.own('refused attempts', limiter, (attempts) => attempts.close())
  const pace = new HeartbeatPace({
    baseIntervalMs: config.MUSTER_HEARTBEAT_INTERVAL_MS,
    missedLimit: config.MUSTER_HEARTBEAT_MISSED_LIMIT,
    beatsPerSecond: config.MUSTER_HEARTBEATS_PER_SECOND,
  })
  const streams = life.own('open streams', new OpenStreams({ pool, presence, log }), (open) => open.close())
  const clonePolicy = config.MUSTER_CLONE_POLICY
  const watching = reportTwins({ pool, presence, clonePolicy }, log)
  const twins = life.own('twin streams', watching, (watch) => watch.close())
  let alive: number | undefined
  const onSwept = (found: number | undefined) => {
    alive = found
  }
  const recoveryWindowSeconds = config.MUSTER_RECOVERY_WINDOW
  sweepPresence({ pool, presence, pace, streams, onSwept, recoveryWindowSeconds }, background)
  showRoll(metrics, { pool, streams, alive: () => alive }, background)

  const deps: Deps = {
    pool,
    presence,
    pace,
    streams,
    tokens: connections['token-service'].client(token.TokenServiceService),
    authority: connections['ca-service'].client(ca.CaServiceService),
    identity,
    refusals: audit.refusals,
    clonePolicy,
    recoveryWindowSeconds,
    twins,
    entries: entryCounter(metrics),
    minimumAgentVersion: config.MUSTER_MINIMUM_AGENT_VERSION,
    entryLimits: new EntryLimits(refusedAttempts, clock),
    people: {
      sessionTtlSeconds: config.MUSTER_USER_SESSION_TTL,
      addresses: {
        registrationService: config.MUSTER_PUBLIC_ADDR,
        tokenService: config.MUSTER_PUBLIC_TOKEN_ADDR,
        caService: config.MUSTER_PUBLIC_CA_ADDR,
        webService: config.MUSTER_PUBLIC_WEB_ADDR,
      },
    },
    clock,
  }
  await serve({
    services: [registrationService(deps), botService(deps), userService(deps), confirmationService(deps)],
    currentRoles: operatorRoles(pool),
  })
}
