import { expect } from '@jest/globals'
import { AppError } from '../../src/errors/errors.ts'

/** Fails unless `run` throws invalidArgument about this field; gives the message for a closer look. */
export function expectInvalid(run: () => unknown, field: string): string {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(AppError)
    expect(error).toMatchObject({ kind: 'invalidArgument', reason: 'INVALID_FIELD', field })
    return (error as AppError).message
  }
  throw new Error(`nothing was thrown; ${field} was expected to be refused`)
}
