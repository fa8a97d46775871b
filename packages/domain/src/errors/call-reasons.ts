import type { ReasonInfo } from './reason-info.ts'

/** Reasons for a refusal that any call can meet. */
export const CALL_REASONS = {
  INVALID_FIELD: {
    kind: 'invalidArgument',
    retry: 'never',
    meaning: 'A field of the request has a value that is not allowed; the error names the field.',
    next: {},
  },
  REQUEST_MALFORMED: {
    kind: 'invalidArgument',
    retry: 'never',
    meaning: 'The request could not be decoded.',
    next: {},
  },
  REQUEST_TOO_LARGE: {
    kind: 'resourceExhausted',
    retry: 'never',
    meaning: 'The request is larger than 64 KiB.',
    next: {},
  },
  COMPRESSION_UNKNOWN: {
    kind: 'unimplemented',
    retry: 'never',
    meaning: 'The request is compressed. The server takes uncompressed requests only.',
    next: {},
  },
  METHOD_UNKNOWN: {
    kind: 'unimplemented',
    retry: 'never',
    meaning: 'The server does not have this method: the path is wrong, or the server is older than the client.',
    next: 'check that the address is that of the right service, and upgrade the server first',
  },
  CALLER_NOT_ALLOWED: {
    kind: 'permissionDenied',
    retry: 'never',
    meaning: 'The caller is known, and may not make this call.',
    next: {
      musterctl: "ask an operator who has that role, or an admin for 'musterctl users update USER --roles=...'",
    },
  },
  TOO_MANY_REFUSED: {
    kind: 'resourceExhausted',
    retry: 'after-delay',
    meaning: 'Too many attempts from this address were refused.',
    next: { muster: 'start again then, or with a longer --join-timeout' },
  },
  READER_TOO_SLOW: {
    kind: 'resourceExhausted',
    retry: 'later',
    meaning: 'The caller does not read what the stream sends, so the server closed it.',
    next: {},
  },
  TOO_MANY_STREAMS: {
    kind: 'resourceExhausted',
    retry: 'later',
    meaning: 'The user has too many streams open at one server.',
    next: { musterctl: "end some of the 'musterctl ... watch' and 'tail' commands that are running" },
  },
} as const satisfies Record<string, ReasonInfo>
