import type { ServerInterceptor } from '@grpc/grpc-js'
import { AppError, refusal } from '@muster/domain'
import { Metadata, status } from '../../grpc.ts'
import type { toStatus } from '../../status.ts'
import { malformed } from './undecodable.ts'

type Call = Parameters<ServerInterceptor>[1]
type Status = Parameters<Call['sendStatus']>[0]

/** A call that ends before a handler takes it. */
export interface EarlyCall {
  path: string
  call: Call
  metadata: Metadata
  /** By performance.now(). */
  startedAt: number
}

/** Keeps and records calls. */
interface Recorders {
  /** The call behind this request metadata, if a handler took it. */
  taken(metadata: Metadata): { abort(error: AppError): void } | undefined
  /** Records a call that no handler took, and gives the status to answer with. */
  recordEarly(call: EarlyCall, error: AppError): ReturnType<typeof toStatus>
}

/**
 * Records and explains the statuses that grpc-js sends itself: for requests that are incomplete, too large, too slow, or
 * compressed in an unknown way. They come from the innermost call and pass no interceptor, so this replaces `sendStatus` of
 * that call. Must be the first interceptor.
 */
export function recordEarlyStatus(calls: Recorders): ServerInterceptor {
  return (method, call) => {
    const startedAt = performance.now()
    let metadata = new Metadata()
    let isRecorded = false
    const start = call.start.bind(call)
    const sendStatus = call.sendStatus.bind(call)
    call.start = (listener) => {
      const receive = listener.onReceiveMetadata.bind(listener)
      listener.onReceiveMetadata = (received) => {
        metadata = received
        receive(received)
      }
      start(listener)
    }
    call.sendStatus = (given) => {
      if (given.code === status.OK) return sendStatus(given)
      const served = calls.taken(metadata)
      if (served !== undefined) {
        // No effect if this is the answer of the handler, which was recorded when it was given.
        served.abort(explain(given, true))
        return sendStatus(given)
      }
      if (isRecorded) return
      isRecorded = true
      sendStatus(calls.recordEarly({ path: method.path, call, metadata, startedAt }, explain(given, false)))
    }
    return call as ReturnType<ServerInterceptor>
  }
}

/** The meaning of a status of grpc-js. Only its text tells a fault of grpc-js from a fault of the request. */
function explain({ code, details }: Status, isTaken: boolean): AppError {
  switch (code) {
    case status.RESOURCE_EXHAUSTED:
      return refusal('REQUEST_TOO_LARGE', 'the request is larger than 64 KiB')
    case status.DEADLINE_EXCEEDED:
      return new AppError('deadlineExceeded', details === 'Deadline exceeded' ? 'the time of the call is up' : details)
    case status.UNIMPLEMENTED:
      if (/encoding/.test(details))
        return refusal('COMPRESSION_UNKNOWN', 'the request is compressed; send it uncompressed')
      return malformed(/second/.test(details) ? 'the request has more than one message' : 'the request has no message')
    default:
      if (/decompress/.test(details)) return malformed('the request could not be decompressed')
      if (/timeout/.test(details)) return malformed('the header grpc-timeout has no time in it')
      return isTaken ? new AppError('internal', 'internal error') : malformed('the request could not be read')
  }
}
