import type { Logger } from '@muster/runtime'

const nothing = () => {}

/** A log that writes nothing. */
export const silentLog: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLog,
}
