/** Why bytes from outside were rejected. Stable: callers send it on the wire. */
export type PkiReason = 'CSR_MALFORMED' | 'CSR_BAD_SIGNATURE' | 'KEY_NOT_ALLOWED' | 'CERTIFICATE_MALFORMED'

/**
 * The error for bytes from outside. Its message never contains a secret. A caller's own mistake
 * (a name outside the allow-list, dates in the wrong order) is a RangeError instead.
 */
export class PkiError extends Error {
  override name = 'PkiError'
  readonly reason: PkiReason

  constructor(reason: PkiReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}
