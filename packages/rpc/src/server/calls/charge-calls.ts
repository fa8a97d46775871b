import type { ServerInterceptor } from '@grpc/grpc-js'
import { COST_MS } from '../../gate/cpu-budget.ts'
import { type Metadata, status } from '../../grpc.ts'

/** Takes charges for connections, which are named as in `CallContext.connection`. */
export interface Charges {
  charge(connection: string, ms: number): void
  admitted(connection: string): void
  /** The roll does not know the person at this connection. */
  disown(connection: string): void
}

/**
 * Charges each call, its metadata and each message to its connection, before anything else is done for it. A call that makes its caller a
 * member gives back what the caller has cost; `admits` tells them by full path.
 */
export function chargeCalls(charges: Charges, admits: (path: string) => boolean): ServerInterceptor {
  return ({ path }, call) => {
    const connection = call.getPeer()
    const isAttempt = admits(path)
    charges.charge(connection, isAttempt ? COST_MS.attempt : COST_MS.call)
    const start = call.start.bind(call)
    call.start = (listener) => {
      const receiveMetadata = listener.onReceiveMetadata.bind(listener)
      listener.onReceiveMetadata = (metadata) => {
        charges.charge(connection, binaryValues(metadata) * COST_MS.metadataValue)
        receiveMetadata(metadata)
      }
      const receive = listener.onReceiveMessage.bind(listener)
      listener.onReceiveMessage = (message) => {
        charges.charge(connection, COST_MS.message)
        receive(message)
      }
      start(listener)
    }
    if (isAttempt) {
      const sendStatus = call.sendStatus.bind(call)
      call.sendStatus = (given) => {
        if (given.code === status.OK) charges.admitted(connection)
        sendStatus(given)
      }
    }
    return call as ReturnType<ServerInterceptor>
  }
}

function binaryValues(metadata: Metadata): number {
  let values = 0
  for (const key of Object.keys(metadata.getMap())) if (key.endsWith('-bin')) values += metadata.get(key).length
  return values
}
