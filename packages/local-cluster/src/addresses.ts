import { createServer } from 'node:net'
import os from 'node:os'

/** The address of this machine that others most likely reach: its first IPv4 address that is not loopback, else loopback. */
export function reachableHost(interfaces = os.networkInterfaces()): string {
  const addresses = Object.values(interfaces).flatMap((list) => list ?? [])
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1'
}

/** True if nobody listens on that port. Somebody may a moment later. */
export function isPortFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
}

/** HOST:PORT with the port preferred if it is free, else with port 0, which takes any that is. */
export async function preferPort(host: string, port: number): Promise<string> {
  return `${host}:${(await isPortFree(port, host)) ? port : 0}`
}
