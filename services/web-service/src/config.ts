import { describeService, parseServerAddress, SERVICES } from '@muster/domain'
import { listOf, minimumAgentField, parsedBy, publicAddress, serviceFields } from '@muster/service-kit'
import { z } from 'zod'
import { type Channel, parseChannel } from './channel.ts'

/** The row of web-service in the table of services. */
export const DESCRIPTOR = describeService('web-service')

/** The environment of web-service. */
export const configSchema = z
  .object({
    ...serviceFields(DESCRIPTOR),
    MUSTER_PUBLIC_ADDR: parsedBy((text) => parseServerAddress(text, 'address')),
    MUSTER_PUBLIC_REGISTRATION_ADDR: publicAddress().default(`:${SERVICES['registration-service'].listenPort}`),
    MUSTER_WEB_CERT_FILE: z.string().default(''),
    MUSTER_WEB_KEY_FILE: z.string().default(''),
    MUSTER_PACKAGES_DIR: z.string().default(''),
    MUSTER_CHANNELS: listOf(parseChannel).default([] as Channel[]),
    ...minimumAgentField(),
  })
  .superRefine((config, context) => {
    if ((config.MUSTER_WEB_CERT_FILE === '') === (config.MUSTER_WEB_KEY_FILE === '')) return
    const missing = config.MUSTER_WEB_CERT_FILE === '' ? 'MUSTER_WEB_CERT_FILE' : 'MUSTER_WEB_KEY_FILE'
    context.addIssue({ code: 'custom', path: [missing], message: 'give both the certificate and its key, or neither' })
  })

/** What the environment of web-service says. */
export type Config = z.output<typeof configSchema>
