import { AppError, isTransient } from '@muster/domain'
import type { Clock, Logger } from '@muster/runtime'
import type { Histogram } from 'prom-client'
import { Metadata, status as grpcStatus } from '../../grpc.ts'
import { peerName } from '../../tls/peer.ts'
import type { CallContext } from '../../route.ts'
import { isServiceError, statusName, toStatus } from '../../status.ts'
import { LogBudget } from './log-budget.ts'

const QUIET = /^\/grpc\.(?:health|reflection)\./

/** One log line and one measurement per call. Only here is an error that is not an AppError logged, in full. */
export class CallRecorder {
  readonly #log: Logger
  readonly #durations: Histogram<'method' | 'code'>
  readonly #streams: Histogram<'method' | 'code'>
  /** What callers without an identity may write into the log. */
  readonly #strangers: LogBudget
  /** What refused calls of nodes, bots and people may write: a banned one may go on calling. */
  readonly #refusedMembers: LogBudget
  readonly #isServed: (path: string) => boolean
  readonly #mapError: (error: unknown) => unknown

  /** `isServed` is true for methods of this server. Paths that strangers invent are counted as one method, `unknown`. */
  constructor(options: {
    log: Logger
    clock: Pick<Clock, 'now'>
    durations: Histogram<'method' | 'code'>
    /** The same of streams. */
    streams: Histogram<'method' | 'code'>
    isServed: (path: string) => boolean
    mapError: ((error: unknown) => unknown) | undefined
  }) {
    this.#log = options.log
    this.#strangers = new LogBudget('calls of callers without an identity', options.log, options.clock)
    this.#refusedMembers = new LogBudget('refused calls of nodes, bots and people', options.log, options.clock)
    this.#durations = options.durations
    this.#streams = options.streams
    this.#isServed = options.isServed
    this.#mapError = options.mapError ?? ((error) => error)
  }

  /** Records a call that has ended and returns its status; `thrown` is the error of its handler, if any. */
  record(
    path: string,
    context: CallContext & { isStream: boolean },
    startedAt: number,
    thrown?: unknown,
  ): ReturnType<typeof toStatus> {
    const durationMs = performance.now() - startedAt
    const error = thrown === undefined ? undefined : this.#mapError(thrown)
    const status =
      error === undefined ? { code: grpcStatus.OK, details: '', metadata: new Metadata() } : toStatus(error)
    const code = statusName(status.code)
    const isServed = this.#isServed(path)
    const durations = isServed && context.isStream ? this.#streams : this.#durations
    durations.observe({ method: isServed ? path : 'unknown', code }, durationMs / 1000)
    const line = {
      method: path,
      code,
      durationMs: Math.round(durationMs * 10) / 10,
      peer: peerName(context.peer),
      remoteAddress: context.remoteAddress,
      requestId: context.requestId,
    }
    const isStranger = context.peer.kind === 'anonymous'
    const usual = QUIET.test(path) ? 'debug' : 'info'
    // A stranger's successful call is counted in the metrics; its handler logs the effect.
    if (error === undefined) this.#log[isStranger ? 'debug' : usual](line, 'call')
    else if (!(error instanceof AppError)) this.#log.error({ ...line, err: error }, 'call failed')
    else if (this.#mayLog(error, context)) {
      // The reason is enough for an error that a peer answered; with stacks, strangers could fill the log.
      const tellsMore = error.cause !== undefined && !isServiceError(error.cause)
      const why = { reason: error.reason, error: error.message, ...(tellsMore && { err: error.cause }) }
      this.#log[isTransient(error) ? 'warn' : usual]({ ...line, ...why }, 'call refused')
    }
    return status
  }

  #mayLog(error: AppError, { peer }: CallContext): boolean {
    if (peer.kind === 'anonymous') return this.#strangers.take()
    return peer.kind === 'service' || isTransient(error) || this.#refusedMembers.take()
  }
}
