import { errorDetails, rpcStatus } from '@muster/contracts'
import type { AppError } from '@muster/domain'

const { BadRequest, ErrorInfo, RetryInfo } = errorDetails

/** What a status says besides its code and message. */
export interface StatusDetails {
  reason?: string
  field?: string
  retryAfterMs?: number
}

/** The trailer that carries a google.rpc.Status, as every gRPC library knows it. */
export const DETAILS_KEY = 'grpc-status-details-bin'

/** The domain of every reason: ErrorInfo is unique per domain and reason. */
const DOMAIN = 'muster'
const TYPE_PREFIX = 'type.googleapis.com/google.rpc.'
/** The form that google.rpc gives reasons. People read them, so anything else is left out. */
const REASON = /^[A-Z][A-Z0-9_]{0,62}$/

/** The details of an error as bytes of a google.rpc.Status; undefined for an error whose code and message say all. */
export function encodeDetails(code: number, error: AppError): Buffer | undefined {
  const { reason, field, retryAfterMs, message } = error
  const details: rpcStatus.Status['details'] = []
  const add = (type: string, value: Uint8Array) =>
    details.push({ typeUrl: TYPE_PREFIX + type, value: Buffer.from(value) })
  if (reason !== undefined) {
    add('ErrorInfo', ErrorInfo.encode({ reason, domain: DOMAIN, metadata: {} }).finish())
  }
  if (field !== undefined) {
    const violation = { field, description: message, reason: reason ?? '', localizedMessage: undefined }
    add('BadRequest', BadRequest.encode({ fieldViolations: [violation] }).finish())
  }
  if (retryAfterMs !== undefined) {
    add('RetryInfo', RetryInfo.encode({ retryDelay: durationOf(Math.ceil(retryAfterMs)) }).finish())
  }
  if (details.length === 0) return undefined
  return Buffer.from(rpcStatus.Status.encode({ code, message, details }).finish())
}

/** Reads the details of a peer. What is malformed, or of another domain, is left out. */
export function decodeDetails(bytes: unknown): StatusDetails {
  if (!Buffer.isBuffer(bytes)) return {}
  const found: StatusDetails = {}
  try {
    for (const { typeUrl, value } of rpcStatus.Status.decode(bytes).details) {
      Object.assign(found, READERS[typeUrl.slice(typeUrl.lastIndexOf('/') + 1)]?.(value))
    }
  } catch {
    // The code and the message are good without.
  }
  return found
}

const READERS: Record<string, (value: Buffer) => StatusDetails | undefined> = {
  'google.rpc.ErrorInfo': (value) => {
    const { reason, domain } = ErrorInfo.decode(value)
    return domain === DOMAIN && REASON.test(reason) ? { reason } : undefined
  },
  'google.rpc.BadRequest': (value) => {
    const field = BadRequest.decode(value).fieldViolations[0]?.field
    return field === undefined || field === '' ? undefined : { field }
  },
  'google.rpc.RetryInfo': (value) => {
    const { retryDelay } = RetryInfo.decode(value)
    if (retryDelay === undefined || retryDelay.seconds < 0n || retryDelay.nanos < 0) return undefined
    return { retryAfterMs: Number(retryDelay.seconds) * 1_000 + Math.ceil(retryDelay.nanos / 1e6) }
  },
}

function durationOf(ms: number): { seconds: bigint; nanos: number } {
  return { seconds: BigInt(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1e6 }
}
