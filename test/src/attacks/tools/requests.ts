import { registration } from '@muster/contracts'
import { createCsr, generateKey } from '@muster/pki'

/** A request to join, encoded. Left out: a new key and the usual host name. */
export function registerMessage(wanted: Partial<registration.RegisterRequest>): Uint8Array {
  return registration.RegistrationServiceService.register.requestSerialize({
    token: '',
    csrDer: wanted.csrDer ?? newCsr(),
    hostname: 'stranger',
    roles: ['node'],
    advertisedAddress: '',
    labels: {},
    version: '',
    ...wanted,
  })
}

/** A certificate request for a new key. */
export function newCsr(): Buffer {
  return createCsr({ privateKey: generateKey(), commonName: 'joining' })
}

/** The first message of a node's stream, encoded. */
export function helloMessage(hostname: string, labels: Record<string, string> = {}): Uint8Array {
  return heartbeat({ $case: 'hello', value: { version: '', hostname, labels, advertisedAddress: '', os: 'linux' } })
}

/** Every later message of a node's stream, encoded. */
export const BEAT = heartbeat({ $case: 'beat', value: {} })

function heartbeat(message: registration.HeartbeatRequest['message']): Uint8Array {
  return registration.RegistrationServiceService.heartbeat.requestSerialize({ message })
}
