/** Why bytes from outside were refused. Stable: callers put it on the wire. */
export type PkiReason = 'CSR_MALFORMED' | 'CSR_BAD_SIGNATURE' | 'KEY_NOT_ALLOWED' | 'CERTIFICATE_MALFORMED'

/**
 * What this package throws about bytes that came from outside; never a secret in its message. A caller's own mistake
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
