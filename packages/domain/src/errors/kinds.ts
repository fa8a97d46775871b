/** What went wrong, in the terms a caller can act on. `packages/rpc` alone knows which gRPC status each becomes. */
export type ErrorKind =
  | 'invalidArgument'
  | 'unauthenticated'
  | 'permissionDenied'
  | 'notFound'
  | 'alreadyExists'
  | 'failedPrecondition'
  | 'aborted'
  | 'resourceExhausted'
  | 'unavailable'
  | 'deadlineExceeded'
  | 'unimplemented'
  | 'internal'
