import { request, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Attempt } from './attempt.ts'
import type { Proxy } from './proxies.ts'

/**
 * Opens a tunnel to HOST:PORT through a proxy, over a connection to that proxy. The proxy looks the name up.
 * @throws Error that names the proxy and says what it answered
 */
export function openTunnel(attempt: Attempt, socket: Socket, proxy: Proxy, address: string): Promise<Socket> {
  attempt.waitFor(`the proxy ${proxy.name} accepted a connection and did not open one to ${address}`)
  return new Promise((resolve, reject) => {
    const connect = request({
      method: 'CONNECT',
      path: address,
      headers: {
        Host: address,
        ...(proxy.authorization !== undefined && { 'Proxy-Authorization': proxy.authorization }),
      },
      createConnection: () => socket,
    })
    connect.once('connect', ({ statusCode = 0 }, tunnel, head) => {
      if (statusCode < 200 || statusCode > 299) {
        reject(new Error(`the proxy ${proxy.name} refused a connection to ${address}: ${meaningOf(statusCode, proxy)}`))
        return
      }
      if (head.length > 0) tunnel.unshift(head)
      resolve(tunnel)
    })
    // An answer that is no answer to CONNECT.
    connect.once('response', () => reject(new Error(`${proxy.name} is not a proxy that opens connections`)))
    connect.once('error', (error) =>
      reject(
        new Error(`the proxy ${proxy.name} opened no connection to ${address}: ${error.message}`, { cause: error }),
      ),
    )
    connect.end()
  })
}

function meaningOf(status: number, { authorization, variable }: Proxy): string {
  if (status !== 407) return `${status} ${STATUS_CODES[status] ?? ''}`.trimEnd()
  return authorization === undefined
    ? `it asks for a user and a password; give them in ${variable}, as http://USER:PASSWORD@HOST:PORT`
    : `it did not accept the user and password in ${variable}`
}
