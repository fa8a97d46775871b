import { parseDuration, parseServerAddress } from '@muster/domain'
import { auditFields, commonFields, enrolmentFields, fileText, parsedBy, replicaAddresses } from '@muster/service-kit'
import { z } from 'zod'

/** HOST:PORT, or :PORT for the host that somebody reached this service on. */
const publicAddress = parsedBy((text) =>
  text.startsWith(':')
    ? parseServerAddress(`localhost${text}`, 'address').replace(/^localhost/, '')
    : parseServerAddress(text, 'address'),
)

/** The variables of this service. */
export const configSchema = z.object({
  ...commonFields({ listenAddress: '0.0.0.0:3025', diagnosticsAddress: '127.0.0.1:9025' }),
  ...enrolmentFields(),
  ...auditFields(),
  MUSTER_TOKEN_ADDRS: replicaAddresses(),
  MUSTER_REDIS_URL_FILE: fileText(),
  MUSTER_HEARTBEAT_INTERVAL_MS: z.coerce.number().int().min(100).max(600_000).default(5_000),
  MUSTER_HEARTBEAT_MISSED_LIMIT: z.coerce.number().int().min(2).max(100).default(3),
  MUSTER_HEARTBEATS_PER_SECOND: z.coerce.number().int().min(1).default(2_000),
  MUSTER_REFUSED_JOINS_PER_MINUTE: z.coerce.number().int().min(1).max(60_000).default(20),
  MUSTER_USER_SESSION_TTL: parsedBy((text) => parseDuration(text, 'session TTL')).default(30 * 86_400),
  MUSTER_PUBLIC_ADDR: parsedBy((text) => parseServerAddress(text, 'address')).default(''),
  MUSTER_PUBLIC_TOKEN_ADDR: publicAddress.default(':3026'),
  MUSTER_PUBLIC_CA_ADDR: publicAddress.default(':3027'),
})

/** The configuration of this service, parsed. */
export type Config = z.output<typeof configSchema>
