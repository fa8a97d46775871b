import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js'
import { assertAllowed } from './callers.ts'
import type { Route, UnaryHandler } from './route.ts'
import type { ServedCall } from './served-call.ts'

export type UnaryCall = ServerUnaryCall<unknown, unknown>

/** Serves one unary call: callers first, then the handler, then one line in the log. */
export async function serveUnary(
  call: UnaryCall,
  reply: sendUnaryData<unknown>,
  context: ServedCall,
  route: Route<unknown> | undefined,
): Promise<void> {
  try {
    assertAllowed(route?.callers, context.peer)
    const response = await (route!.handle as UnaryHandler<unknown, unknown>)(call.request, context)
    reply(null, response)
    context.end()
  } catch (error) {
    reply(context.end(error))
  }
}
