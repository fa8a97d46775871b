import { AppError, isTransient } from '@muster/domain'
import { mayPass } from '@muster/identity'

/** How `muster` says to scripts and init systems why it ended. */
export const EXIT = { ok: 0, failed: 1, usage: 2, refused: 3, notTrusted: 4, unreachable: 5 } as const

/** Bad flags or configuration; the message says which and what to do. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The server is not the one that the pin names. */
export class NotTrustedError extends Error {
  override readonly name = 'NotTrustedError'
}

/** The exit status for whatever ended the program. */
export function exitStatusOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage
  if (error instanceof NotTrustedError) return EXIT.notTrusted
  if (error instanceof AppError && error.kind === 'internal') return EXIT.failed
  if (error instanceof AppError) return mayPass(error) ? EXIT.unreachable : EXIT.refused
  return EXIT.failed
}

const CHECK_PIN =
  "'musterctl status' shows the right pin; if it is the one given, somebody else answers at that address, or it is not registration-service's"

const JOIN_AGAIN = 'join again: start with an invitation, or with --token, --ca-pin and --auth-server'

const NEW_TOKEN = "ask an operator for a new token: 'musterctl tokens add'"

const NEXT_STEP: Record<string, string> = {
  TOKEN_UNKNOWN: `check that the token was copied whole and is for this cluster, or ${NEW_TOKEN}`,
  TOKEN_EXPIRED: NEW_TOKEN,
  TOKEN_REVOKED: NEW_TOKEN,
  TOKEN_USED_UP: NEW_TOKEN,
  ROLE_NOT_ALLOWED: `start with --roles that the token admits, or ${NEW_TOKEN} --type=...`,
  KEY_NOT_ALLOWED: 'remove key.pem from the data directory, so that a new key is made',
  KEY_USED_BEFORE: 'remove key.pem from the data directory, so that a new key is made',
  TOKEN_RESTRICTED: `start on a machine that it admits, or ${NEW_TOKEN}`,
  TOKEN_WRONG_TYPE: `a signup token is for people, by 'musterctl login'; for a machine ${NEW_TOKEN}`,
  TOO_MANY_REFUSED: 'start again then, or with a longer --join-timeout',
  BOT_LOCKED: 'then delete the data directory and start with that token',
  BOT_UNKNOWN: `delete the data directory and ${NEW_TOKEN} --type=bot --bot-name=...`,
  CERTIFICATE_EXPIRED: JOIN_AGAIN,
  NO_IDENTITY: JOIN_AGAIN,
}

/** What went wrong and what to do next, in one line. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof NotTrustedError) return `${error.message}; ${CHECK_PIN}`
  if (!(error instanceof AppError)) return error.message
  const next =
    NEXT_STEP[error.reason ?? ''] ??
    (isTransient(error) && !isAnswer(error) ? 'check --auth-server and that the cluster is up' : undefined)
  const reason = error.reason === undefined ? '' : ` (${error.reason})`
  return `${error.message}${reason}${next === undefined ? '' : `; ${next}`}`
}

/** True for what the server itself said, as opposed to not being reached. */
function isAnswer({ cause }: AppError): boolean {
  return cause instanceof Error && 'metadata' in cause
}
