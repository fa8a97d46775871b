import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'

/**
 * Checks that the Redis at a redis:// or rediss:// address accepts its credentials and answers a ping within 5 seconds.
 * Speaks the protocol itself: after a failure, the timers of a client library would keep the process alive for seconds.
 * @returns why it failed, without the password; undefined if it did not
 */
export async function pingRedis(address: string): Promise<string | undefined> {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url === undefined || !['redis:', 'rediss:'].includes(url.protocol))
    return 'it is not a redis:// or rediss:// address'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port || 6379)
  const socket = url.protocol === 'redis:' ? connectTcp({ host, port }) : connectTls({ host, port, servername: host })
  const credentials = [url.username, url.password].map(decodeURIComponent).filter(Boolean)
  const commands = [...(url.password ? [['AUTH', ...credentials]] : []), ['PING']]
  try {
    return await new Promise<string | undefined>((resolve) => {
      let replies = ''
      socket.setTimeout(5_000, () => resolve('it did not answer within 5 s'))
      socket.once('error', (error) => resolve(error.message))
      socket.once('close', () => resolve('it closed the connection'))
      socket.setEncoding('utf8').on('data', (text: string) => {
        replies += text
        const lines = replies.split('\r\n').slice(0, -1)
        const refusal = lines.find((line) => line.startsWith('-'))
        if (refusal !== undefined) resolve(refusal.slice(1))
        else if (lines.length >= commands.length)
          resolve(lines.at(-1) === '+PONG' ? undefined : 'the server at that address is not a Redis')
      })
      socket.write(commands.map(encode).join(''))
    })
  } finally {
    socket.destroy()
  }
}

function encode(command: string[]): string {
  return [`*${command.length}`, ...command.flatMap((part) => [`$${Buffer.byteLength(part)}`, part]), ''].join('\r\n')
}
