import { createLogger } from '@muster/service-kit'

/** A log that writes nothing. */
export const silentLog = createLogger('test', 'silent', { write: () => {} })
