import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import os from 'node:os'
import { splitAddress } from '@muster/domain'

/** The address at which other machines probably reach this one: its first IPv4 address that is not loopback, else loopback. */
export function reachableHost(interfaces = os.networkInterfaces()): string {
  const addresses = Object.values(interfaces).flatMap((list) => list ?? [])
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1'
}

/** True if nothing listens on the port now. Another process may take it a moment later. */
export function isPortFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
}

/**
 * Below the ports that operating systems assign, so that no outgoing connection takes a port before a service listens on
 * it. Each process searches its own block first, since two clusters that start at the same time see each other's ports as
 * free until they are used.
 */
const FREE_PORTS = { first: 20_000, blocks: 400, inBlock: 30 }
let searched = 0

/**
 * Replaces port 0 in these addresses by a port that is free now, for services that must know each other's addresses before
 * they listen. Adds the ports that it finds to `taken` and skips those that are in it.
 * @throws Error if it finds no free port
 */
export async function settlePorts(addresses: readonly string[], taken: Set<number>): Promise<string[]> {
  const settled: string[] = []
  for (const address of addresses) {
    const { host, port } = splitAddress(address)
    settled.push(port === 0 ? address.replace(/:0$/, `:${await findPort(host, taken)}`) : address)
  }
  return settled
}

async function findPort(host: string, taken: Set<number>): Promise<number> {
  const { first, blocks, inBlock } = FREE_PORTS
  for (let tries = 0; tries < 100; tries += 1) {
    const isOwn = tries < inBlock
    const port =
      first + (isOwn ? (process.pid % blocks) * inBlock + (searched++ % inBlock) : randomInt(blocks * inBlock))
    if (taken.has(port) || !(await isPortFree(port, host))) continue
    taken.add(port)
    return port
  }
  throw new Error(`no free port found on ${host}`)
}

/** HOST:PORT with the preferred port if it is free, else with port 0, which stands for any free port. */
export async function preferPort(host: string, port: number): Promise<string> {
  return `${host}:${(await isPortFree(port, host)) ? port : 0}`
}
