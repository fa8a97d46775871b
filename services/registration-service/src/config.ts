import { commonFields, enrolmentFields, fileText, replicaAddresses } from '@muster/runtime/service'
import { z } from 'zod'

export const configSchema = z.object({
  ...commonFields({ listenAddress: '0.0.0.0:3025', diagnosticsAddress: '127.0.0.1:9025' }),
  ...enrolmentFields(),
  MUSTER_TOKEN_ADDRS: replicaAddresses(),
  MUSTER_REDIS_URL_FILE: fileText(),
  MUSTER_HEARTBEAT_INTERVAL_MS: z.coerce.number().int().min(100).max(600_000).default(5_000),
  MUSTER_HEARTBEAT_MISSED_LIMIT: z.coerce.number().int().min(2).max(100).default(3),
  MUSTER_HEARTBEATS_PER_SECOND: z.coerce.number().int().min(1).default(2_000),
})

export type Config = z.output<typeof configSchema>
