import {
  describeService,
  type EnrollingService,
  ENROLLING_SERVICES,
  enrolTokenVariable,
  type EnrolTokenVariable,
} from '@muster/domain'
import { clusterNameField, databaseFields, fileText, parsedBy, serviceFields } from '@muster/service-kit'
import { z } from 'zod'

const fileKey = fileText().pipe(
  parsedBy((text) => {
    if (!/^[0-9a-f]{64}$/i.test(text)) throw new Error('the file must hold 64 hex digits: openssl rand -hex 32')
    return Buffer.from(text, 'hex')
  }),
)

const enrollToken = fileText().refine((text) => text.length >= 32, 'the token must be at least 32 characters')

/** The variable of each service that enrols. An optional service without a token cannot enrol. */
const enrolTokens = Object.fromEntries(
  ENROLLING_SERVICES.map((name) => [
    enrolTokenVariable(name),
    describeService(name).isOptional ? enrollToken.default('') : enrollToken,
  ]),
) as Record<EnrolTokenVariable<EnrollingService>, typeof enrollToken>

const seconds = z.coerce.number().int().min(10)

/** The row of ca-service in the table of services. */
export const DESCRIPTOR = describeService('ca-service')

/** The variables that `issue-admin` reads. */
export const storeSchema = z.object({
  ...clusterNameField(),
  ...databaseFields(),
  MUSTER_KEY_ENCRYPTION_KEY_FILE: fileKey,
})

/** The environment of ca-service. */
export const configSchema = z.object({
  ...clusterNameField(),
  ...serviceFields(DESCRIPTOR),
  MUSTER_KEY_ENCRYPTION_KEY_FILE: fileKey,
  ...enrolTokens,
  MUSTER_NODE_CERTIFICATE_TTL_SECONDS: seconds.max(7 * 86_400).default(86_400),
  MUSTER_SERVICE_CERTIFICATE_TTL_SECONDS: seconds.max(7 * 86_400).default(86_400),
  MUSTER_USER_CERTIFICATE_TTL_SECONDS: seconds.max(7 * 86_400).default(43_200),
  MUSTER_BOT_CERTIFICATE_TTL_SECONDS: seconds.max(7 * 86_400).default(3_600),
})

/** What the environment of ca-service says. */
export type Config = z.output<typeof configSchema>
