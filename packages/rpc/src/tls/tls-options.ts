import { constants } from 'node:crypto'

/** TLS 1.3 without session resumption, for both sides. */
export const TLS_OPTIONS = {
  minVersion: 'TLSv1.3',
  // No tickets: a resumed session would skip the check of the client's certificate against the current roots.
  // (SPIRE 1.14.3 had to turn them off for the same reason.) With tickets off, TLS 1.3 falls back to stateful
  // sessions, and Node keeps no server-side session store, so nothing can be resumed.
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const
