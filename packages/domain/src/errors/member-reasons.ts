import type { ReasonInfo } from './reason-info.ts'

const NEW_KEY = 'remove key.pem from the data directory, so that a new key is made'
const JOIN_AGAIN = 'join again: start with an invitation, or with --token, --ca-pin and --auth-server'
// The server's message names the command that makes the token.
const NEW_BOT_TOKEN = 'delete the data directory and start with a new token for the bot'
const RESET = "ask an admin for 'musterctl users reset USER'"

/** Why a node, bot or person was refused, or a request about one. */
export const MEMBER_REASONS = {
  NODE_UNKNOWN: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: 'The calling node is not on the roll: it was removed, or the database is older than its join.',
    next: { muster: `delete the data directory and ${JOIN_AGAIN}` },
  },
  NODE_NOT_FOUND: {
    kind: 'notFound',
    retry: 'never',
    meaning: 'No node has this id.',
    next: { musterctl: "'musterctl nodes ls' shows the nodes that exist" },
  },
  BOT_UNKNOWN: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: 'The calling bot is not on the roll: it was removed, or its key is not on record.',
    next: { muster: NEW_BOT_TOKEN },
  },
  BOT_NOT_FOUND: {
    kind: 'notFound',
    retry: 'never',
    meaning: 'No bot has this id.',
    next: { musterctl: "'musterctl bots ls' shows the bots that exist" },
  },
  BOT_LOCKED: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: "A copy of the bot's credentials was used, so this instance of the bot is locked for good.",
    next: { muster: NEW_BOT_TOKEN },
  },
  RECOVERY_TOO_LATE: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: "The node's certificate expired longer ago than the cluster lets nodes recover, or it lets none recover.",
    next: { muster: JOIN_AGAIN },
  },
  RECOVERY_NOT_PROVED: {
    kind: 'unauthenticated',
    retry: 'never',
    meaning: 'The caller did not prove that it has the key of a certificate of this cluster.',
    next: { muster: JOIN_AGAIN },
  },
  NODE_CLONED: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: 'A copy of the credentials of the calling node was used, so it cannot renew until an operator has looked.',
    next: { muster: "start again once an operator has cleared it with 'musterctl nodes unban'" },
  },
  NODE_BANNED: {
    kind: 'permissionDenied',
    retry: 'never',
    meaning: 'An operator has banned the calling node; the message says until when, and why.',
    next: { muster: "start again once an operator has lifted the ban with 'musterctl nodes unban', or it has ended" },
  },
  BOT_BANNED: {
    kind: 'permissionDenied',
    retry: 'never',
    meaning: 'An operator has banned the calling instance of a bot; the message says until when, and why.',
    next: { muster: "start again once an operator has lifted the ban with 'musterctl bots unban', or it has ended" },
  },
  KEY_BANNED: {
    kind: 'permissionDenied',
    retry: 'never',
    meaning: 'The key belongs to a member that is banned or locked out, so it cannot join or sign up.',
    next: {
      muster: "start again once an operator has lifted the ban with 'musterctl nodes unban', or it has ended",
      musterctl: 'ask an admin',
    },
  },
  USER_LOCKED: {
    kind: 'permissionDenied',
    retry: 'never',
    meaning: 'An admin has locked the calling person out; the message says until when, and why.',
    next: { musterctl: "ask an admin for 'musterctl users unlock USER'" },
  },
  OWN_LOCK: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: 'Admins cannot lock themselves out.',
    next: { musterctl: 'ask another admin' },
  },
  USER_UNKNOWN: {
    kind: 'unauthenticated',
    retry: 'never',
    meaning: 'The caller is no longer a user: removed, reset, signed up elsewhere, or the session is over.',
    next: { musterctl: `${RESET}, or for 'musterctl users add USER' if you were removed` },
  },
  USER_NOT_FOUND: {
    kind: 'notFound',
    retry: 'never',
    meaning: 'No user has this name.',
    next: { musterctl: "'musterctl users ls' shows the users that exist" },
  },
  USER_EXISTS: {
    kind: 'alreadyExists',
    retry: 'never',
    meaning: 'A user with this name exists already.',
    next: { musterctl: "'musterctl users reset NAME' makes a new signup command for that user" },
  },
  LAST_ADMIN: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: 'The change would leave the cluster without an admin.',
    next: { musterctl: "make another user admin first, or use 'ca-service issue-admin'" },
  },
  NO_SESSION: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: 'A break-glass identity belongs to no user and cannot be renewed.',
    next: { musterctl: "make another with 'ca-service issue-admin'" },
  },
  SESSION_ENDED: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: "The user's session is over.",
    next: { musterctl: RESET },
  },
  CERTIFICATE_SUPERSEDED: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: 'A newer certificate of the same node is in use, so these credentials are a copy or an old backup.',
    next: { muster: `delete the data directory and ${JOIN_AGAIN}` },
  },
  CERTIFICATE_EXPIRED: {
    kind: 'unauthenticated',
    retry: 'never',
    meaning: "The caller's certificate has expired.",
    next: { muster: JOIN_AGAIN, musterctl: RESET },
  },
  NO_IDENTITY: {
    kind: 'unauthenticated',
    retry: 'never',
    meaning: 'The call needs a client certificate of this cluster that is valid now.',
    next: { muster: JOIN_AGAIN, musterctl: RESET },
  },
  RENEWED_JUST_NOW: {
    kind: 'resourceExhausted',
    retry: 'later',
    meaning: 'The last certificate is too new to be renewed.',
    next: {},
  },
  KEY_USED_BEFORE: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: 'The key belongs to another member, or a bot has used it before.',
    next: { muster: NEW_KEY, musterctl: 'log in again, which makes a new key' },
  },
  KEY_NOT_ALLOWED: {
    kind: 'invalidArgument',
    retry: 'never',
    meaning: 'The key type is not allowed; use P-256 or Ed25519.',
    next: { muster: NEW_KEY },
  },
  CSR_MALFORMED: {
    kind: 'invalidArgument',
    retry: 'never',
    meaning: 'The certificate request is not a PKCS#10 request in DER that this cluster reads.',
    next: {},
  },
  CSR_BAD_SIGNATURE: {
    kind: 'invalidArgument',
    retry: 'never',
    meaning: "The signature of the certificate request does not verify with the request's own key.",
    next: {},
  },
  CERTIFICATE_MALFORMED: {
    kind: 'invalidArgument',
    retry: 'never',
    meaning: 'A certificate in the request is not one that this cluster reads.',
    next: {},
  },
} as const satisfies Record<string, ReasonInfo>
