import { describeService, parseDuration } from '@muster/domain'
import { fileContent, parsedBy, serviceFields } from '@muster/service-kit'
import { z } from 'zod'
import { staticTokensFile } from './static/static-config.ts'

/** The row of token-service in the table of services. */
export const DESCRIPTOR = describeService('token-service')

/** The environment of token-service. */
export const configSchema = z.object({
  ...serviceFields(DESCRIPTOR),
  MUSTER_PEPPER_FILE: fileContent().refine((content) => content.length >= 32, 'the file must hold at least 32 bytes'),
  MUSTER_TOKEN_MAX_TTL: parsedBy((text) => parseDuration(text, 'longest TTL')).default(7 * 86_400),
  MUSTER_SIGNUP_TOKEN_MAX_TTL: parsedBy((text) => parseDuration(text, 'longest TTL of a signup token')).default(
    2 * 86_400,
  ),
  MUSTER_TOKEN_RETENTION: parsedBy((text) => parseDuration(text, 'retention')).default(30 * 86_400),
  MUSTER_CONFIG_FILE: staticTokensFile().default([]),
})

/** What the environment of token-service says. */
export type Config = z.output<typeof configSchema>
