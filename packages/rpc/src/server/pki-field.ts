import { refusal } from '@muster/domain'
import { PkiError } from '@muster/pki'

/** Reads a request field by a parser of packages/pki. @throws invalidArgument with the parser's reason, naming the field */
export function pkiField<T>(field: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    throw refusal(error.reason, `${field}: ${error.message}`, { field })
  }
}
