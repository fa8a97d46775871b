import type { ServiceError } from '@grpc/grpc-js'
import { AppError } from '@muster/domain'
import { assertRemoteCallAllowed } from '@muster/runtime'
import { Metadata } from '../grpc.ts'
import type { CallOptions, MethodDefinition } from '../route.ts'
import type { RotatingChannelCredentials } from './channel-credentials.ts'
import { explainFailure } from './explain-failure.ts'
import type { RenewingClient } from './renewing-client.ts'

/** What a call is sent over. */
export interface Channel {
  clients: RenewingClient
  credentials: RotatingChannelCredentials
}

/** The caller's side of a bidirectional stream. */
export interface DuplexStream<Q> {
  send(message: Q): void
  /** Resolves when the server has ended the stream, rejects with an AppError when it breaks or is refused. */
  ended: Promise<void>
  /** Half-closes the stream, and gives the server up to a second to end it. */
  end(): Promise<void>
  cancel(): void
}

const DEFAULT_TIMEOUT_MS = 10_000
/** How long a stream may take to its first message. A server's statement in Postgres ends after 10 s. */
const FIRST_ANSWER_MS = 15_000
/** Time that a caller keeps for itself after this call has timed out, so that the slow service is the one reported. */
const HOP_MARGIN_MS = 20
/** A call with less time left than this is not sent. */
const LEAST_USEFUL_MS = 100

/** Makes a unary call. Rejects with an AppError. */
export function unary<Q, S>(
  { clients, credentials }: Channel,
  method: MethodDefinition<Q, S>,
  request: Q,
  { parent, endsWithParent = false, timeoutMs = DEFAULT_TIMEOUT_MS, signal: given }: CallOptions = {},
): Promise<S> {
  const limit = endsWithParent ? parent : undefined
  const signal = given ?? limit?.signal
  return new Promise((resolve, reject) => {
    assertRemoteCallAllowed(method.path)
    const now = Date.now()
    const deadline = Math.min(now + timeoutMs, (limit?.deadlineMs ?? Number.POSITIVE_INFINITY) - HOP_MARGIN_MS)
    if (deadline - now < Math.min(LEAST_USEFUL_MS, timeoutMs)) {
      reject(new AppError('deadlineExceeded', 'too little time is left; try again'))
      return
    }
    const metadata = new Metadata()
    if (parent !== undefined) metadata.set('muster-request-id', parent.requestId)
    const { client, release } = clients.lease()
    const call = client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadata,
      { deadline },
      (error: ServiceError | null, response?: S) => {
        signal?.removeEventListener('abort', cancel)
        release()
        if (error === null) resolve(response!)
        else reject(explainFailure(error, credentials))
      },
    )
    const cancel = () => call.cancel()
    if (signal?.aborted) cancel()
    else signal?.addEventListener('abort', cancel, { once: true })
  })
}

/**
 * Opens a server stream. It ends when the signal aborts, and throws an AppError when it breaks, or when the server does not
 * send a first message in time: each stream of the contracts begins with one.
 */
export async function* serverStream<Q, S>(
  { clients, credentials }: Channel,
  method: MethodDefinition<Q, S>,
  request: Q,
  signal: AbortSignal,
  firstAnswerMs = FIRST_ANSWER_MS,
): AsyncGenerator<S> {
  if (signal.aborted) return
  const { client, release } = clients.lease()
  const call = client.makeServerStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, request)
  const cancel = () => call.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  let isSilent = false
  const timer = setTimeout(() => {
    isSilent = true
    call.cancel()
  }, firstAnswerMs)
  try {
    for await (const message of call as AsyncIterable<S>) {
      clearTimeout(timer)
      yield message
    }
  } catch (error) {
    if (isSilent) throw noAnswer(credentials.service)
    if (!signal.aborted) throw explainFailure(error as ServiceError, credentials)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', cancel)
    call.cancel()
    release()
  }
}

/**
 * Opens a bidirectional stream. It breaks when the server does not answer in time: each stream of the contracts answers its
 * first message, which the caller sends at once.
 */
export function duplex<Q, S>(
  { clients, credentials }: Channel,
  method: MethodDefinition<Q, S>,
  onMessage: (message: S) => void,
  firstAnswerMs = FIRST_ANSWER_MS,
): DuplexStream<Q> {
  const { client, release } = clients.lease()
  const call = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize)
  let isSilent = false
  const timer = setTimeout(() => {
    isSilent = true
    call.cancel()
  }, firstAnswerMs)
  call.once('data', () => clearTimeout(timer))
  call.on('data', onMessage)
  const ended = new Promise<void>((resolve, reject) => {
    call.on('error', (error: ServiceError) => {
      reject(isSilent ? noAnswer(credentials.service) : explainFailure(error, credentials))
    })
    call.on('end', resolve)
  })
  const end = () => {
    clearTimeout(timer)
    release()
  }
  ended.then(end, end)
  return {
    send: (message) => void call.write(message),
    ended,
    async end() {
      call.end()
      const timer = setTimeout(() => call.cancel(), 1_000)
      await ended.catch(() => {})
      clearTimeout(timer)
    },
    cancel: () => call.cancel(),
  }
}

function noAnswer(service: string): AppError {
  return new AppError('deadlineExceeded', `${service} did not answer in time`)
}
