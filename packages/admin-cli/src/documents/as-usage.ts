import { UsageError } from '@muster/cli-kit'
import { AppError } from '@muster/domain'

/** Runs a parser of flags and arguments and turns its errors into usage errors. @throws UsageError */
export function asUsage<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof AppError) throw new UsageError(error.message)
    throw error
  }
}
