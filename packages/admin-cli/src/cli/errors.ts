import { CliError } from '@muster/cli-kit'
import { type AppError, ClockError, nextStep, type ProgramName, type ServiceName } from '@muster/domain'

/** The target of a failed call, and the identity that called. */
export interface Asked {
  service: ServiceName
  address: string
  /** The folder of the identity that was used. */
  identityDir: string
  /** The person whose identity it is; undefined for one of `ca-service issue-admin`. */
  user: string | undefined
  /** True if the server's certificate could not be verified. */
  untrusted: boolean
}

/** A service refused a call, or could not be reached. */
export class CallError extends CliError {
  override readonly name = 'CallError'
  readonly error: AppError
  readonly asked: Asked

  constructor(error: AppError, asked: Asked, [message, next] = explainCall(error, asked)) {
    super(message, next, error)
    this.error = error
    this.asked = asked
  }
}

/** What happened, and what to do next. */
type Explained = readonly [what: string, next: string | undefined]

function explainCall(error: AppError, asked: Asked): Explained {
  const { service, address, identityDir } = asked
  const text = tidy(error)
  if (asked.untrusted) {
    return [
      `${service} at ${address} could not be verified, so nothing was sent to it: ${text}`,
      `The address may belong to another cluster than the identity in ${identityDir}; check the addresses in its profile.json.`,
    ]
  }
  if (error.cause instanceof ClockError) {
    return [`${service} at ${address} could not be verified, so nothing was sent to it: ${text}`, undefined]
  }
  switch (error.kind) {
    case 'unavailable':
      // The service answered with this status itself.
      if (error.cause instanceof Error && 'metadata' in error.cause) {
        return [
          `${service} at ${address} is not available: ${text}`,
          `Try again; if it happens again, look at the log of ${service}.`,
        ]
      }
      return [
        `cannot reach ${service} at ${address}: ${text}`,
        `Is the cluster running? 'npm start' starts a local one. The address comes from ${identityDir}/profile.json.`,
      ]
    case 'deadlineExceeded':
      return [`${service} at ${address} did not answer in time`, 'Try again; if it happens again, look at its log.']
    case 'unauthenticated':
      return [
        `${service} did not accept the certificate in ${identityDir}: ${text}`,
        // The message has the next step already.
        error.reason === 'USER_UNKNOWN' ? undefined : howToRenew(asked),
      ]
    case 'permissionDenied':
      return [`${service} refused: ${text}`, howToGetRoles(error, asked)]
    case 'invalidArgument':
    case 'alreadyExists':
      return [`${service} refused ${flagOf(error.field, service)}: ${text}`, undefined]
    case 'notFound':
    case 'failedPrecondition':
      return [text, nextAfter(error, asked)]
    case 'resourceExhausted':
    case 'aborted':
      return [`${service} cannot do this now: ${text}`, howLongToWait(error)]
    case 'unimplemented':
      return [`${service} at ${address} does not know this request: ${text}`, nextAfter(error, asked)]
    case 'internal':
      return [`${service} failed: ${text}`, `The log of ${service} says why.`]
  }
}

/** How to get an identity that works, in place of one of this kind. */
export function howToRenew({ user }: { user?: string | undefined } = {}): string {
  if (user !== undefined) {
    return `Ask an admin for 'musterctl users reset ${user}', then run the login command that it prints.`
  }
  return "The identity of a local cluster is renewed while 'npm start' runs. For any other, run 'ca-service issue-admin' where its database is."
}

function howToGetRoles(error: AppError, asked: Asked): string | undefined {
  return asked.user === undefined ? 'Ask an operator who has that role.' : nextAfter(error, asked)
}

/** The next step after a refusal, as a sentence of its own; undefined if the message names a command itself. */
export function nextAfter(
  { reason, message }: AppError,
  { user }: { user: string | undefined },
  program: ProgramName = 'musterctl',
): string | undefined {
  const next = nextStep(reason, program, user === undefined ? {} : { USER: user })
  if (next === undefined || /'(?:musterctl|ca-service) /.test(message)) return undefined
  return `${next[0]!.toUpperCase()}${next.slice(1)}.`
}

function howLongToWait({ retryAfterMs }: AppError): string {
  return retryAfterMs === undefined
    ? 'Wait a moment and try again.'
    : `Try again in ${Math.max(1, Math.ceil(retryAfterMs / 1000))}s.`
}

const ARGUMENT_OF: Record<string, string> = {
  id_or_value: 'the token',
  id_or_name: 'the token',
  node_id: 'the node',
  bot_id: 'the bot',
  name: 'the name',
  duration_seconds: '--for',
}

function flagOf(field: string | undefined, service: ServiceName): string {
  if (field === undefined) return 'the request'
  // The type of a token is the roles that it admits; people have roles.
  if (field === 'roles' && service === 'token-service') return '--type'
  return ARGUMENT_OF[field] ?? `--${field.replaceAll('_', '-')}`
}

/** The message without the name of the field, which the sentence has already; for a failed connection, its cause. */
function tidy({ message, field, kind, cause }: AppError): string {
  if (kind === 'unavailable' && cause instanceof Error && !('metadata' in cause)) return cause.message
  return field !== undefined && message.startsWith(`${field}: `) ? message.slice(field.length + 2) : message
}
