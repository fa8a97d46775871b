import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below the ports that operating systems assign, also when 10,000 is added: a node of a Redis cluster listens there too. */
const FIRST = 20_000
const LAST = 22_000

/** A port of loopback that no outgoing connection takes before a server listens on it. */
export async function portForServer(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST)
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
