import type { ServiceError, StatusObject } from '@grpc/grpc-js'
import { AppError, type ErrorKind, receivedError } from '@muster/domain'
import { addLegacyDetails, readLegacyDetails } from './legacy-details.ts'
import { decodeDetails, DETAILS_KEY, encodeDetails } from './status-details.ts'
import { logVerbosity, Metadata, setLogVerbosity, status as grpcStatus } from './grpc.ts'

// grpc-js writes to stderr what it also throws; the error is enough.
setLogVerbosity(logVerbosity.NONE)

const STATUS_OF: Record<ErrorKind, grpcStatus> = {
  invalidArgument: grpcStatus.INVALID_ARGUMENT,
  unauthenticated: grpcStatus.UNAUTHENTICATED,
  permissionDenied: grpcStatus.PERMISSION_DENIED,
  notFound: grpcStatus.NOT_FOUND,
  alreadyExists: grpcStatus.ALREADY_EXISTS,
  failedPrecondition: grpcStatus.FAILED_PRECONDITION,
  aborted: grpcStatus.ABORTED,
  resourceExhausted: grpcStatus.RESOURCE_EXHAUSTED,
  unavailable: grpcStatus.UNAVAILABLE,
  deadlineExceeded: grpcStatus.DEADLINE_EXCEEDED,
  unimplemented: grpcStatus.UNIMPLEMENTED,
  internal: grpcStatus.INTERNAL,
}

const KIND_OF = new Map(Object.entries(STATUS_OF).map(([kind, code]) => [code, kind as ErrorKind]))
// An aborted stream is a lost connection to its reader.
KIND_OF.set(grpcStatus.CANCELLED, 'unavailable')

/** What a failed call answers. Anything but an AppError is opaque: its text stays in the log. */
export function toStatus(error: unknown): Pick<StatusObject, 'code' | 'details' | 'metadata'> {
  const metadata = new Metadata()
  if (!(error instanceof AppError)) return { code: grpcStatus.INTERNAL, details: 'internal error', metadata }
  const code = STATUS_OF[error.kind]
  const details = encodeDetails(code, error)
  if (details !== undefined) metadata.set(DETAILS_KEY, details)
  addLegacyDetails(metadata, error)
  return { code, details: error.message, metadata }
}

/** What a failed call means to its caller: the kind, reason and field that the server gave, over any number of hops. */
export function fromStatus(error: ServiceError): AppError {
  const { metadata } = error
  const details = metadata && { ...readLegacyDetails(metadata), ...decodeDetails(metadata.get(DETAILS_KEY)[0]) }
  return receivedError(KIND_OF.get(error.code) ?? 'internal', error.details || error.message, {
    cause: error,
    ...details,
  })
}

/** True for what grpc-js throws when a peer answered with an error: its stack says nothing of the peer. */
export function isServiceError(error: unknown): boolean {
  return error instanceof Error && 'metadata' in error && 'details' in error
}

/** The gRPC name of a status number, for logs and metrics. */
export function statusName(code: number): string {
  return grpcStatus[code] ?? String(code)
}
