import { type EnrollingService, ENROLLING_SERVICES, enrolTokenVariable, type EnrolTokenVariable } from '@muster/domain'
import { auditFields, clusterNameField, commonFields, fileText, parsedBy, replicaAddresses } from '@muster/service-kit'
import { z } from 'zod'

const fileKey = fileText().pipe(
  parsedBy((text) => {
    if (!/^[0-9a-f]{64}$/i.test(text)) throw new Error('the file must hold 64 hex digits: openssl rand -hex 32')
    return Buffer.from(text, 'hex')
  }),
)

const enrollToken = fileText().refine((text) => text.length >= 32, 'the token must be at least 32 characters')

/** The variable of each service that enrols. */
const enrolTokens = Object.fromEntries(
  ENROLLING_SERVICES.map((name) => [enrolTokenVariable(name), enrollToken]),
) as Record<EnrolTokenVariable<EnrollingService>, typeof enrollToken>

const seconds = z.coerce.number().int().min(10)

/** What `issue-admin` needs as well as the service. */
export const storeSchema = z.object({
  ...clusterNameField(),
  MUSTER_DATABASE_URL_FILE: commonFields({ listenAddress: '', diagnosticsAddress: '' }).MUSTER_DATABASE_URL_FILE,
  MUSTER_KEY_ENCRYPTION_KEY_FILE: fileKey,
})

/** The variables of this service. */
export const configSchema = z.object({
  ...clusterNameField(),
  ...commonFields({ listenAddress: '0.0.0.0:3027', diagnosticsAddress: '127.0.0.1:9027' }),
  ...auditFields(),
  MUSTER_KEY_ENCRYPTION_KEY_FILE: fileKey,
  ...enrolTokens,
  MUSTER_REGISTRATION_ADDRS: replicaAddresses(),
  MUSTER_NODE_CERTIFICATE_TTL_SECONDS: seconds.max(7 * 86_400).default(86_400),
  MUSTER_SERVICE_CERTIFICATE_TTL_SECONDS: seconds.max(7 * 86_400).default(86_400),
  MUSTER_USER_CERTIFICATE_TTL_SECONDS: seconds.max(7 * 86_400).default(43_200),
  MUSTER_BOT_CERTIFICATE_TTL_SECONDS: seconds.max(7 * 86_400).default(3_600),
})

/** The configuration of this service, parsed. */
export type Config = z.output<typeof configSchema>
