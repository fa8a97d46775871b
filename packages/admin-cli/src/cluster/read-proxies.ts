import { proxiesIn, type ProxyFor } from '@muster/rpc'
import { asUsage } from '../documents/as-usage.ts'

/** The proxies that the environment names. @throws UsageError, when asked about an address, if the variable is malformed */
export function readProxies(env: Readonly<Record<string, string | undefined>>): ProxyFor {
  const proxyFor = proxiesIn(env)
  return (address) => asUsage(() => proxyFor(address))
}
