import { Duplex } from 'node:stream'
import { connect } from 'node:tls'

/** The first flight of a TLS client. A server cannot know that it has seen the same bytes before: they can be sent many times. */
export async function clientHello(): Promise<Buffer> {
  let sent: (bytes: Buffer) => void
  const bytes = new Promise<Buffer>((resolve) => (sent = resolve))
  const nowhere = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      sent(Buffer.from(chunk))
      done()
    },
  })
  const client = connect({ socket: nowhere, ALPNProtocols: ['h2'], rejectUnauthorized: false })
  client.on('error', () => {})
  const hello = await bytes
  client.destroy()
  return hello
}
