const YEAR_SECONDS = 365 * 86_400

/** Headers of every answer. The pages hold no script, style or frame, so a browser may load none. */
export function headersOf({ isPublic }: { isPublic: boolean }): Record<string, string> {
  return {
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-store',
    // With a certificate that browsers do not know, this would keep people out of the whole host.
    ...(isPublic && { 'strict-transport-security': `max-age=${YEAR_SECONDS}` }),
  }
}
