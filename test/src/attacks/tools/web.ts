import type { Stage } from '../stage.ts'
import { openTls } from './dial.ts'

/** The package that the attacked web-service has. */
export const ATTACKED_PACKAGE = 'muster.deb'

/** Opens a connection to the web face, from a source of the attack. */
export const openWeb = (stage: Stage, index = 0) =>
  openTls(stage, { source: stage.source(index), ALPNProtocols: ['http/1.1'] })

/** A request as bytes. */
export const webRequest = (path: string, method = 'GET') => `${method} ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`

/** The status that a source gets for a request. The answer stays unread until the attack ends. Rejects when there is none. */
export async function webStatus(stage: Stage, index: number, path: string): Promise<number> {
  const socket = await openWeb(stage, index)
  socket.write(webRequest(path))
  const line = await new Promise<string>((resolve, reject) => {
    socket.once('data', (chunk: Buffer) => {
      socket.pause()
      resolve(chunk.toString())
    })
    socket.once('close', () => reject(new Error('closed')))
  })
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)![1])
}
