import { UsageError } from '@muster/cli-kit'
import { messageOf } from '@muster/domain'
import { proxiesIn, type ProxyFor } from '@muster/rpc'

/** The proxies that the environment names. @throws UsageError, when asked about an address, if the variable is malformed */
export function readProxies(env: Readonly<Record<string, string | undefined>>): ProxyFor {
  const proxyFor = proxiesIn(env)
  return (address) => {
    try {
      return proxyFor(address)
    } catch (error) {
      throw new UsageError(messageOf(error))
    }
  }
}
