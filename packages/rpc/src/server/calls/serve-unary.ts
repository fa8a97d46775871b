import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js'
import type { Admission } from '../admission.ts'
import type { Route, UnaryHandler } from '../../route.ts'
import type { ServedCall } from './served-call.ts'
import { decoded } from './undecodable.ts'

/** grpc-js's unary call. */
export type UnaryCall = ServerUnaryCall<unknown, unknown>

/** Serves one unary call: callers first, then the handler, then one line in the log. */
export async function serveUnary(
  call: UnaryCall,
  reply: sendUnaryData<unknown>,
  context: ServedCall,
  route: Route<unknown> | undefined,
  admission: Admission,
): Promise<void> {
  try {
    const admitted = admission.admit(route?.callers, context)
    if (admitted !== undefined) await admitted
    const response = await (route!.handle as UnaryHandler<unknown, unknown>)(decoded(call.request), context)
    reply(null, response)
    context.end()
  } catch (error) {
    reply(context.end(error))
  }
}
