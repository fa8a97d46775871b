import { UsageError } from '@muster/cli-kit'
import { AppError, ClockError, isServerFault, isTransient, nextStep } from '@muster/domain'
import { mayPass } from '@muster/identity'
import { messageWithCause } from '@muster/runtime'

/** The exit statuses of `muster`, for scripts and init systems. */
export const EXIT = { ok: 0, failed: 1, usage: 2, refused: 3, notTrusted: 4, unreachable: 5 } as const

/** The meaning of each exit status, as help shows it. */
export const EXIT_MEANINGS: Record<keyof typeof EXIT, string> = {
  ok: 'stopped, or done',
  failed: 'failed',
  usage: 'bad usage',
  refused: 'refused by the cluster',
  notTrusted: 'the server is not to be trusted',
  unreachable: 'not reachable within --join-timeout',
}

/** The server is not the one that the pin names, or granted something else than this machine asked for. */
export class NotTrustedError extends Error {
  override readonly name: string = 'NotTrustedError'
}

/** The root that the server showed does not match the pin. */
export class WrongPinError extends NotTrustedError {
  override readonly name = 'WrongPinError'
}

/** The exit status after this error. */
export function exitStatusOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage
  if (error instanceof NotTrustedError) return EXIT.notTrusted
  if (isServerFault(error)) return EXIT.failed
  if (error instanceof AppError) return mayPass(error) ? EXIT.unreachable : EXIT.refused
  return EXIT.failed
}

const CHECK_PIN =
  "'musterctl status' shows the right pin; if it is the one given, somebody else answers at that address, or it is not registration-service's"

/** What went wrong and what to do next, in one line. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof WrongPinError) return `${error.message}; ${CHECK_PIN}`
  if (!(error instanceof AppError)) return error.message
  const next =
    nextStep(error.reason, 'muster') ??
    (isTransient(error) && !isAnswer(error) && !(error.cause instanceof ClockError)
      ? 'check --auth-server and that the cluster is up'
      : undefined)
  const reason = error.reason === undefined ? '' : ` (${error.reason})`
  return `${messageWithCause(error)}${reason}${next === undefined ? '' : `; ${next}`}`
}

/** True for an error that the server itself returned. */
function isAnswer({ cause }: AppError): boolean {
  return cause instanceof Error && 'metadata' in cause
}
