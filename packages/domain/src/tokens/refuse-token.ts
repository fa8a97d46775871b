import { invalid } from '../errors/errors.ts'
import { withoutSecrets } from './token-value.ts'

/**
 * Rejects a name that contains a generated token: names are logged, recorded and shown. The error does not repeat it.
 * @throws invalidArgument
 */
export function refuseToken(value: string, field: string): void {
  if (withoutSecrets(value) !== value)
    throw invalid(field, 'holds a token, which belongs elsewhere; it is not repeated')
}
