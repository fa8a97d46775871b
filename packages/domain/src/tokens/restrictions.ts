import { isIP } from 'node:net'
import { invalid } from '../errors/errors.ts'
import { printable } from '../values/printable.ts'

/** Where a token may be used. An empty list restricts nothing; one match in a list is enough. */
export interface Restrictions {
  allowCidrs: string[]
  allowHostnames: string[]
}

/** The most entries that one list may have. */
export const MAX_RESTRICTIONS = 32

/** Checks networks in CIDR notation (RFC 4632); a bare address is a network of one. @throws invalidArgument */
export function parseCidrs(values: readonly string[], field = 'allow_cidr'): string[] {
  assertFew(values, field)
  return values.map((value) => {
    const [address = '', length, ...rest] = value.trim().toLowerCase().split('/')
    const bits = isIP(address) === 4 ? 32 : 128
    const isZoned = address.includes('%')
    const isLength = length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bits)
    if (isIP(address) === 0 || isZoned || !isLength || rest.length > 0) {
      throw invalid(field, `${printable(value)} is not a network such as 10.0.0.0/8 or 2001:db8::/32`)
    }
    return `${address}/${length === undefined ? bits : Number(length)}`
  })
}

/** Checks patterns of host names: `*` stands for any text, `?` for one character; folds case. @throws invalidArgument */
export function parseHostnameGlobs(values: readonly string[], field = 'allow_hostname'): string[] {
  assertFew(values, field)
  return values.map((value) => {
    const glob = value.trim().toLowerCase()
    if (!/^[a-z0-9._*?-]{1,253}$/.test(glob)) {
      throw invalid(
        field,
        `${printable(value)} is not a host name pattern: letters, digits, - _ . and * ?; at most 253`,
      )
    }
    return glob
  })
}

function assertFew(values: readonly string[], field: string): void {
  if (values.length > MAX_RESTRICTIONS) throw invalid(field, `at most ${MAX_RESTRICTIONS} are allowed`)
}
