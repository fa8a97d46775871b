import { randomUUID } from 'node:crypto'
import { AppError } from '@muster/domain'
import type { Clock, Logger } from '@muster/runtime'
import { remoteAddressOf } from '../remote-address.ts'
import type { CallRecorder } from './call-recorder.ts'
import type { Peer } from '../../tls/peer.ts'
import type { Metadata } from '../../grpc.ts'
import type { CallContext } from '../../route.ts'

/** The facts about a call of any shape; every call object of grpc-js has them. */
export interface CallFacts {
  readonly metadata: Metadata
  readonly cancelled: boolean
  getPeer(): string
  getDeadline(): Date | number
  once(event: 'cancelled', listener: () => void): unknown
}

/** The longest time for a unary call, whatever deadline its caller sets. */
const MAX_UNARY_MS = 30_000

/** The context of one call. Signal and child logger are created on first use: most calls need neither. */
export class ServedCall implements CallContext {
  readonly peer: Peer
  readonly remoteAddress: string
  readonly connection: string
  readonly requestId: string
  readonly deadlineMs: number
  readonly isStream: boolean
  readonly #call: CallFacts
  readonly #path: string
  readonly #live: Set<ServedCall>
  readonly #log: Logger
  readonly #clock: Clock
  readonly #recorder: CallRecorder
  readonly #startedAt: number
  #gone: AbortController | undefined
  #ended = false
  #childLog: Logger | undefined

  constructor(made: {
    call: CallFacts
    path: string
    isStream: boolean
    peer: Peer
    live: Set<ServedCall>
    log: Logger
    clock: Clock
    recorder: CallRecorder
    /** By performance.now(); now if left out. */
    startedAt?: number
  }) {
    this.#startedAt = made.startedAt ?? performance.now()
    this.#call = made.call
    this.#path = made.path
    this.#live = made.live
    this.#log = made.log
    this.#clock = made.clock
    this.#recorder = made.recorder
    this.peer = made.peer
    this.isStream = made.isStream
    this.connection = made.call.getPeer()
    this.remoteAddress = remoteAddressOf(this.connection)
    const given = made.call.metadata.get('muster-request-id')[0]
    this.requestId = typeof given === 'string' && /^[\w-]{1,64}$/.test(given) ? given : randomUUID()
    const deadline = made.call.getDeadline()
    const asked = deadline instanceof Date ? deadline.getTime() : deadline
    this.deadlineMs = this.isStream ? asked : Math.min(asked, made.clock.now().getTime() + MAX_UNARY_MS)
  }

  get signal(): AbortSignal {
    if (this.#gone === undefined) {
      this.#gone = new AbortController()
      this.#live.add(this)
      const abort = () => this.abort(new AppError('unavailable', 'the caller is gone'))
      if (this.#call.cancelled) abort()
      else this.#call.once('cancelled', abort)
    }
    return this.#gone.signal
  }

  /** The RPC's name, such as `CreateToken`. */
  get rpc(): string {
    return this.#path.slice(this.#path.lastIndexOf('/') + 1)
  }

  get log(): Logger {
    this.#childLog ??= this.#log.child({ requestId: this.requestId, method: this.#path })
    return this.#childLog
  }

  /** Aborts the signal. A stream ends with this error. */
  abort(error: AppError): void {
    if (this.#ended) return
    this.#gone?.abort(error)
  }

  now(): Date {
    return this.#clock.now()
  }

  /**
   * Ends the call: records it, and stops a stream's handler that still runs.
   * @returns the status to answer with; `thrown` is the error of the handler, if any
   */
  end(thrown?: unknown): ReturnType<CallRecorder['record']> {
    const status = this.#recorder.record(this.#path, this, this.#startedAt, thrown)
    if (this.#gone !== undefined) {
      this.#live.delete(this)
      if (this.isStream) this.abort(new AppError('unavailable', 'the call has ended'))
    }
    this.#ended = true
    return status
  }
}
