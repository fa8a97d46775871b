import { isLoopback } from '@muster/domain'

/** What must hold of the address in an invitation or a login command; a warning if it cannot lead to another machine. */
export function reachability(authServer: string, from: string): string {
  if (!isLoopback(authServer)) return `${authServer} must be reachable from ${from}`
  return `WARNING: ${authServer} leads each machine to itself, so it works on this machine only; set MUSTER_PUBLIC_ADDR of registration-service`
}
