import type { Failure } from '@muster/cli-kit'
import type { ErrorKind } from '@muster/domain'
import { CallError } from './errors.ts'
import { EXIT } from './exit-status.ts'

/** Describes a failed call: the service and its answer. Other errors have no description. */
export function explain(error: unknown): Failure | undefined {
  if (!(error instanceof CallError)) return undefined
  const { kind, reason, field } = error.error
  return {
    // Only the cluster knows some limits of a flag, such as the longest life of a token.
    status: reason === 'INVALID_FIELD' ? EXIT.usage : EXIT.failed,
    message: error.message,
    next: error.next,
    details: [
      `  status: ${statusNameOf(kind)}`,
      `  service: ${error.asked.service} at ${error.asked.address}`,
      ...(reason === undefined ? [] : [`  reason: ${reason}`]),
      ...(field === undefined ? [] : [`  field: ${field}`]),
    ],
    // The message of the AppError is in the message already.
    origin: error.error,
  }
}

/** The name of the status in gRPC, as in the log of the service. */
function statusNameOf(kind: ErrorKind): string {
  return kind.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
}
