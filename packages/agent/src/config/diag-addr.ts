import { isIP } from 'node:net'
import { invalid, parseServerAddress, splitAddress } from '@muster/domain'

/** Checks the address of the agent's diagnostics. It must be of this machine alone: there is no authentication. @throws invalidArgument */
export function parseDiagAddr(text: string, field = '--diag-addr'): string {
  const address = parseServerAddress(text, field)
  const { host } = splitAddress(address)
  const isLoopback = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
  if (!isLoopback) throw invalid(field, 'must be a loopback address, such as 127.0.0.1:3000')
  return address
}
