import { type AppError, refusal } from '@muster/domain'
import type { ServiceDefinition } from '../../route.ts'

/** Stands for a message that could not be decoded, on its way to the code that answers and records calls. */
const UNDECODABLE = Symbol('undecodable')

/**
 * The same contract with decoders that never throw: grpc-js would answer INTERNAL, and the call would be in no log. Pass the
 * messages to `decoded()`.
 */
export function decodeSafely(definition: ServiceDefinition): ServiceDefinition {
  const methods = Object.entries(definition).map(([name, method]) => {
    const requestDeserialize = (bytes: Buffer): unknown => {
      try {
        return method.requestDeserialize(bytes)
      } catch {
        return UNDECODABLE
      }
    }
    return [name, { ...method, requestDeserialize }]
  })
  return Object.fromEntries(methods)
}

/** A message of a caller. @throws REQUEST_MALFORMED if it could not be decoded */
export function decoded(message: unknown): unknown {
  if (message === UNDECODABLE) throw malformed('the request could not be decoded')
  return message
}

/** The error for bytes that are not a request of the method. */
export function malformed(message: string): AppError {
  return refusal('REQUEST_MALFORMED', message)
}
