import { invalid } from '../errors/errors.ts'
import { printable } from '../values/printable.ts'

/** Checks `sha256:` and 64 hex digits; folds case. @throws invalidArgument */
export function parseCaPin(value: string, field = 'ca-pin'): string {
  const pin = value.trim().toLowerCase()
  if (!/^sha256:[0-9a-f]{64}$/.test(pin)) {
    throw invalid(field, `${printable(value)} is not sha256: and 64 hex digits; 'musterctl status' shows the pin`)
  }
  return pin
}
