import { describeService, parseDuration, parseServerAddress, SERVICES } from '@muster/domain'
import { fileText, minimumAgentField, parsedBy, publicAddress, serviceFields } from '@muster/service-kit'
import { z } from 'zod'
import { CLONE_POLICIES } from './clones/clone-policy.ts'
import { parseRedisUrl } from './presence/redis-url.ts'

/** The row of registration-service in the table of services. */
export const DESCRIPTOR = describeService('registration-service')

/** The environment of registration-service. */
export const configSchema = z.object({
  ...serviceFields(DESCRIPTOR),
  MUSTER_REDIS_URL_FILE: fileText().pipe(parsedBy(checkedRedisUrl)),
  MUSTER_HEARTBEAT_INTERVAL_MS: z.coerce.number().int().min(100).max(600_000).default(5_000),
  MUSTER_HEARTBEAT_MISSED_LIMIT: z.coerce.number().int().min(2).max(100).default(3),
  MUSTER_HEARTBEATS_PER_SECOND: z.coerce.number().int().min(1).default(2_000),
  MUSTER_REFUSED_JOINS_PER_MINUTE: z.coerce.number().int().min(1).max(60_000).default(20),
  ...minimumAgentField(),
  MUSTER_RECOVERY_WINDOW: parsedBy((text) => (text === '0' ? 0 : parseDuration(text, 'recovery window'))).default(
    30 * 86_400,
  ),
  MUSTER_CLONE_POLICY: z.enum(CLONE_POLICIES).default('deny'),
  MUSTER_USER_SESSION_TTL: parsedBy((text) => parseDuration(text, 'session TTL')).default(30 * 86_400),
  MUSTER_PUBLIC_ADDR: parsedBy((text) => parseServerAddress(text, 'address')).default(''),
  MUSTER_PUBLIC_TOKEN_ADDR: publicAddress().default(`:${SERVICES['token-service'].listenPort}`),
  MUSTER_PUBLIC_CA_ADDR: publicAddress().default(`:${SERVICES['ca-service'].listenPort}`),
  MUSTER_PUBLIC_WEB_ADDR: publicAddress().default(''),
})

/** What the environment of registration-service says. */
export type Config = z.output<typeof configSchema>

/** The address as it is, once it can be read. */
function checkedRedisUrl(url: string): string {
  parseRedisUrl(url)
  return url
}
