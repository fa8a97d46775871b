import { parseCaPin } from './ca-pin.ts'
import { invalid } from '../errors/errors.ts'
import { parseServerAddress } from '../names/addresses.ts'
import { parseNodeRoles, type NodeRole } from '../names/roles.ts'

/** What a machine needs to join, in one string: `muster://<token>@<host>:<port>?pins=<pin>,<pin>&roles=<role>,<role>`. */
export interface Invitation {
  /** HOST:PORT of registration-service. */
  address: string
  token: string
  /** At least one. */
  caPins: readonly string[]
  roles: readonly NodeRole[]
}

/** Generous for ten pins and the longest token there may be. */
const MAX_LENGTH = 4096

/** True for a text that begins like an invitation, complete or not. */
export function isInvitation(text: string): boolean {
  return /^muster:\/\//i.test(text.trim())
}

/** Writes an invitation as one string. It contains the token, so it is as secret. */
export function formatInvitation({ address, token, caPins, roles }: Invitation): string {
  return `muster://${encodeURIComponent(token)}@${address}?pins=${caPins.join(',')}&roles=${roles.join(',')}`
}

/** Reads an invitation. The error never repeats it. @throws invalidArgument */
export function parseInvitation(text: string, field = 'invitation'): Invitation {
  const trimmed = text.trim()
  if (trimmed.length > MAX_LENGTH) throw invalid(field, `longer than ${MAX_LENGTH} characters`)
  const match = /^muster:\/\/([^@/?#\s]+)@([^@/?#\s]+)\/?\?([^#\s]*)$/i.exec(trimmed)
  if (match === null)
    throw invalid(field, 'is not whole; it reads muster://TOKEN@HOST:PORT?pins=...&roles=..., in quotes')
  const parameters = new URLSearchParams(match[3])
  const list = (name: string) => (parameters.get(name) ?? '').split(',').filter((part) => part !== '')
  for (const [name, what] of [
    ['pins', 'CA pin'],
    ['roles', 'roles'],
  ] as const) {
    if (list(name).length === 0) throw invalid(field, `carries no ${what}; was it cut off? Put it in quotes`)
  }
  return {
    address: withoutRepeating(field, 'address', () => parseServerAddress(match[2]!, field)),
    token: parseToken(match[1]!, field),
    caPins: withoutRepeating(field, 'CA pins', () => list('pins').map((pin) => parseCaPin(pin))),
    roles: withoutRepeating(field, 'roles', () => parseNodeRoles(list('roles'))),
  }
}

/** Hides the text of a part in its error: if the parts were mixed up, any of them may be the token. */
function withoutRepeating<T>(field: string, part: string, parse: () => T): T {
  try {
    return parse()
  } catch {
    throw invalid(field, `its ${part} cannot be read; was it changed on the way? Copy it whole`)
  }
}

function parseToken(encoded: string, field: string): string {
  let token: string
  try {
    token = decodeURIComponent(encoded)
  } catch {
    throw invalid(field, 'its token is not encoded as it should be')
  }
  if (!/^[\x21-\x7e]{1,256}$/.test(token)) throw invalid(field, 'its token is not 1 to 256 printable ASCII characters')
  return token
}
