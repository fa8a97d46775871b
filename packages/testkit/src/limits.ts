/**
 * How long tests wait, in one place. A healthy run stays far below these limits. They are for a busy machine,
 * and end a test that would otherwise hang. Jest's own limit for a test (`testTimeout`) is longer, so that
 * the error names what did not happen.
 */

/**
 * For a condition to hold, in milliseconds. The mutation run shortens it: it breaks the code on purpose, and waits for
 * what cannot come.
 */
export const WAIT_LIMIT_MS = Number(process.env['MUSTER_TEST_WAIT_LIMIT_MS'] ?? 60_000)

/** For a call of a test's own to be answered, in milliseconds. The product's default is ten seconds. */
export const CALL_LIMIT_MS = 60_000
