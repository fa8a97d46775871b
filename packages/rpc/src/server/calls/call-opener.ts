import type { ServerDuplexStream, ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js'
import type { AppError } from '@muster/domain'
import type { Clock, Logger } from '@muster/runtime'
import type { Metadata } from '../../grpc.ts'
import { PeerReader } from '../../tls/peer.ts'
import type { CallRecorder } from './call-recorder.ts'
import type { EarlyCall } from './early-status.ts'
import { ServedCall } from './served-call.ts'

type AnyCall = ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown> | ServedDuplex
type ServedDuplex = ServerDuplexStream<unknown, unknown>

/** The facts about a method that matter to its calls. */
export interface MethodShape {
  path: string
  requestStream: boolean
  responseStream: boolean
}

/** Makes the context of each call, and knows which are open. */
export class CallOpener {
  /** The calls whose handlers listen to their signal. */
  readonly live = new Set<ServedCall>()
  readonly #taken = new WeakMap<Metadata, ServedCall>()
  readonly #peers: PeerReader
  readonly #shared: { live: Set<ServedCall>; log: Logger; clock: Clock; recorder: CallRecorder }

  constructor(options: { clusterName: string; log: Logger; clock: Clock; recorder: CallRecorder }) {
    const { log, clock, recorder } = options
    this.#peers = new PeerReader(options.clusterName)
    this.#shared = { live: this.live, log, clock, recorder }
  }

  /** For a handler that takes the call. */
  open(call: AnyCall, { path, requestStream, responseStream }: MethodShape): ServedCall {
    const served = new ServedCall({
      ...this.#shared,
      call,
      path,
      isStream: requestStream || responseStream,
      peer: this.#peers.read(call.getAuthContext().sslPeerCertificate, this.#shared.clock.now()),
    })
    this.#taken.set(call.metadata, served)
    return served
  }

  /** The call with this request metadata, if a handler took it. */
  taken(metadata: Metadata): ServedCall | undefined {
    return this.#taken.get(metadata)
  }

  /** Records a call that ends before a handler takes it, and gives the status to answer with. */
  recordEarly({ path, call, metadata, startedAt }: EarlyCall, error: AppError): ReturnType<ServedCall['end']> {
    const facts = {
      metadata,
      cancelled: true,
      getPeer: () => call.getPeer(),
      getDeadline: () => call.getDeadline(),
      once: () => {},
    }
    const peer = this.#peers.read(call.getAuthContext().sslPeerCertificate, this.#shared.clock.now())
    return new ServedCall({ ...this.#shared, call: facts, path, isStream: false, peer, startedAt }).end(error)
  }
}
