import { AppError } from '@muster/domain'

/** The error that a call is refused with. @throws Error if the call succeeds or fails by anything else */
export async function refusal(call: Promise<unknown>): Promise<AppError> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof AppError) return error
  throw new Error('should have been refused', { cause: error })
}
