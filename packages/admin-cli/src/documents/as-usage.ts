import { UsageError } from '@muster/cli-kit'
import { AppError } from '@muster/domain'

/** What `read` makes of flags and arguments; what it finds malformed is bad usage. @throws UsageError */
export function asUsage<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof AppError) throw new UsageError(error.message)
    throw error
  }
}
