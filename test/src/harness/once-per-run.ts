import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Where test files ask; jest's own process answers. */
const URL_VARIABLE = 'MUSTER_TEST_ONCE_PER_RUN_URL'

/**
 * Offers to all test files of a run what is made once: each when the first of them asks for it, as JSON.
 * @returns how to end the offer, which first waits for what is being made
 */
export async function offerOncePerRun(makers: Record<string, () => Promise<unknown>>): Promise<() => Promise<void>> {
  const made = new Map<string, Promise<string>>()
  const server = createServer((request, response) => {
    const name = request.url!.slice(1)
    const making = made.get(name) ?? makers[name]!().then((thing) => JSON.stringify(thing))
    made.set(name, making)
    making.then(
      (json) => response.end(json),
      (error: Error) => response.writeHead(500).end(error.stack),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  process.env[URL_VARIABLE] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return async () => {
    server.close()
    server.closeAllConnections()
    await Promise.allSettled(made.values())
  }
}

/** Asks for what is made once. @returns undefined outside of a run of jest. @throws Error with the reason if it could not be made */
export async function askOncePerRun<T>(name: string): Promise<T | undefined> {
  const url = process.env[URL_VARIABLE]
  if (url === undefined) return undefined
  const response = await fetch(`${url}/${name}`)
  if (!response.ok) throw new Error(`${name} could not be made: ${await response.text()}`)
  return (await response.json()) as T
}
