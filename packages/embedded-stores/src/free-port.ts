import { createServer, type AddressInfo } from 'node:net'

/**
 * A TCP port of 127.0.0.1 that is free now. Another process may take it first, so a caller that passes the port to a
 * child must be ready to ask for another.
 */
export async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
