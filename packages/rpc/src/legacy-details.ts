import type { AppError } from '@muster/domain'
import type { Metadata } from './grpc.ts'
import type { StatusDetails } from './status-details.ts'

// Before google.rpc.Status, the details of an error were sent under these keys. They are sent and read for one more release,
// so that programs of both versions understand each other during an upgrade. Delete this file then.
const REASON_KEY = 'muster-reason'
const FIELD_KEY = 'muster-field'
const RETRY_AFTER_KEY = 'muster-retry-after-ms'

/** Adds the details for a peer that does not read google.rpc.Status yet. */
export function addLegacyDetails(metadata: Metadata, { reason, field, retryAfterMs }: AppError): void {
  if (reason !== undefined) metadata.set(REASON_KEY, reason)
  if (field !== undefined) metadata.set(FIELD_KEY, field)
  if (retryAfterMs !== undefined) metadata.set(RETRY_AFTER_KEY, String(Math.ceil(retryAfterMs)))
}

/** The details from a peer that does not send google.rpc.Status yet. */
export function readLegacyDetails(metadata: Metadata): StatusDetails {
  const reason = metadata.get(REASON_KEY)[0]
  const field = metadata.get(FIELD_KEY)[0]
  const retryAfterMs = metadata.get(RETRY_AFTER_KEY)[0]
  return {
    ...(typeof reason === 'string' && { reason }),
    ...(typeof field === 'string' && { field }),
    ...(typeof retryAfterMs === 'string' && /^\d{1,10}$/.test(retryAfterMs) && { retryAfterMs: Number(retryAfterMs) }),
  }
}
