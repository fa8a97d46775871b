import type { ReasonInfo } from './reason-info.ts'

const NEW_TOKEN = "ask an operator for a new token: 'musterctl tokens add'"
const NEW_SIGNUP_TOKEN = "ask an admin for a new signup token: 'musterctl users reset USER'"
const ANOTHER_TOKEN = {
  muster: NEW_TOKEN,
  musterctl: "make a new token with 'musterctl tokens add'",
  'musterctl login': NEW_SIGNUP_TOKEN,
}
const SHOW_TOKENS = { musterctl: "'musterctl tokens ls' shows the tokens that exist" }

/** Why a token was refused, or a request about a token. */
export const TOKEN_REASONS = {
  TOKEN_UNKNOWN: {
    kind: 'permissionDenied',
    retry: 'never',
    meaning: 'No token of this cluster has this value.',
    next: {
      muster: `check that the token was copied whole and is for this cluster, or ${NEW_TOKEN}`,
      'musterctl login': `check that the token was copied whole and is for this cluster, or ${NEW_SIGNUP_TOKEN}`,
    },
  },
  TOKEN_EXPIRED: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: 'The token has expired.',
    next: ANOTHER_TOKEN,
  },
  TOKEN_REVOKED: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: 'The token has been revoked, or a newer token replaced it.',
    next: ANOTHER_TOKEN,
  },
  TOKEN_USED_UP: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: 'The token has reached its use limit.',
    next: ANOTHER_TOKEN,
  },
  SPENT_JUST_NOW: {
    kind: 'resourceExhausted',
    retry: 'after-delay',
    meaning: 'The same key has used the token too often just now.',
    next: { muster: 'start again then, or with a longer --join-timeout' },
  },
  TOKEN_WRONG_TYPE: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: 'The token is for another use: join tokens admit machines, signup tokens admit people.',
    next: {
      muster: `a signup token is for people, by 'musterctl login'; for a machine ${NEW_TOKEN}`,
      musterctl: "reset the user instead, which makes a new signup token: 'musterctl users reset NAME'",
      'musterctl login': `a join token is for machines, by 'muster start'; for a person ${NEW_SIGNUP_TOKEN}`,
    },
  },
  TOKEN_RESTRICTED: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: "The token does not admit this machine or person. 'musterctl audit ls' shows which restriction failed.",
    next: {
      muster: `start on a machine that the token admits, or ${NEW_TOKEN}`,
      'musterctl login': `check --user, since the token admits one person, or ${NEW_SIGNUP_TOKEN}`,
    },
  },
  ROLE_NOT_ALLOWED: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: 'The token does not grant one of the requested roles.',
    next: { muster: `start with --roles that the token grants, or ${NEW_TOKEN}` },
  },
  TOKEN_NOT_FOUND: {
    kind: 'notFound',
    retry: 'never',
    meaning: 'No token has this id, name or value.',
    next: SHOW_TOKENS,
  },
  TOKEN_ENDED: {
    kind: 'notFound',
    retry: 'never',
    meaning: 'The token has already expired or been revoked, so there is nothing to revoke.',
    next: {},
  },
  TOKEN_STATIC: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: 'The token is static: it is changed where it is defined, not by a call.',
    next: { musterctl: 'change the static token in the file that defines it' },
  },
  STATIC_TOKEN_UNUSABLE: {
    kind: 'failedPrecondition',
    retry: 'never',
    meaning: 'A static token in the configuration of token-service cannot be used. In the audit only.',
    next: 'fix the file that the audit event names',
  },
  NAME_TAKEN: {
    kind: 'alreadyExists',
    retry: 'never',
    meaning: 'Another token that is still live has this name.',
    next: { musterctl: "choose another --name, or remove that token with 'musterctl tokens rm NAME'" },
  },
  VALUE_TAKEN: {
    kind: 'alreadyExists',
    retry: 'never',
    meaning: 'This token value cannot be used.',
    next: { musterctl: 'choose another value, or leave it out to have one generated' },
  },
} as const satisfies Record<string, ReasonInfo>
