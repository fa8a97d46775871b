import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import os from 'node:os'
import { splitAddress } from '@muster/domain'

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

/**
 * Below the ports that systems hand out by themselves, so that no outgoing connection takes it meanwhile. Each process
 * looks in a block of its own first: of two clusters that start at once, each finds the other's ports free until they are used.
 */
const FREE_PORTS = { first: 20_000, blocks: 400, inBlock: 30 }
let looked = 0

/**
 * The addresses themselves, but for port 0 the same host with a port that is free now: for services that must be told of
 * each other before they listen. `taken` grows by what is found, and nothing in it is found again.
 * @throws Error if no port is free
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
    const port = first + (isOwn ? (process.pid % blocks) * inBlock + (looked++ % inBlock) : randomInt(blocks * inBlock))
    if (taken.has(port) || !(await isPortFree(port, host))) continue
    taken.add(port)
    return port
  }
  throw new Error(`no free port was found for ${host}`)
}

/** HOST:PORT with the port preferred if it is free, else with port 0, which stands for any that is. */
export async function preferPort(host: string, port: number): Promise<string> {
  return `${host}:${(await isPortFree(port, host)) ? port : 0}`
}
