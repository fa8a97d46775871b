import { parseDuration } from '@muster/domain'
import {
  auditFields,
  commonFields,
  enrolmentFields,
  fileContent,
  parsedBy,
  replicaAddresses,
} from '@muster/service-kit'
import { z } from 'zod'
import { staticTokensFile } from './static/static-config.ts'

/** The variables of this service. */
export const configSchema = z.object({
  ...commonFields({ listenAddress: '0.0.0.0:3026', diagnosticsAddress: '127.0.0.1:9026' }),
  ...enrolmentFields(),
  ...auditFields(),
  MUSTER_REGISTRATION_ADDRS: replicaAddresses(),
  MUSTER_PEPPER_FILE: fileContent().refine((content) => content.length >= 32, 'the file must hold at least 32 bytes'),
  MUSTER_TOKEN_MAX_TTL: parsedBy((text) => parseDuration(text, 'longest TTL')).default(7 * 86_400),
  MUSTER_SIGNUP_TOKEN_MAX_TTL: parsedBy((text) => parseDuration(text, 'longest TTL of a signup token')).default(
    2 * 86_400,
  ),
  MUSTER_TOKEN_RETENTION: parsedBy((text) => parseDuration(text, 'retention')).default(30 * 86_400),
  MUSTER_CONFIG_FILE: staticTokensFile().default([]),
})

/** The configuration of this service, parsed. */
export type Config = z.output<typeof configSchema>
