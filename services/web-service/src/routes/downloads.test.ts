import { readdir, readFile, readlink, truncate } from 'node:fs/promises'
import path from 'node:path'
import { connect as tlsConnect, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { splitAddress } from '@muster/domain'
import { eventually } from '@muster/testkit'
import { startWebFace, type WebFace } from '../../test/support/web-face.ts'

const PACKAGE = 'muster.deb'
/** More than the buffers of a connection hold. */
const PACKAGE_BYTES = 128 * 1_024 * 1_024

let web: WebFace

const startPackages = (variables: Record<string, string> = {}) =>
  startWebFace(async (write, folder) => {
    await write('SHA256SUMS', `${'0'.repeat(64)}  ${PACKAGE}\n`)
    await truncate(await write(PACKAGE, ''), PACKAGE_BYTES)
    return { MUSTER_PACKAGES_DIR: folder, ...variables }
  })

beforeAll(async () => {
  web = await startPackages({ MUSTER_GATE_CPU_PERCENT_PER_SOURCE: '100' })
})
afterAll(() => web.life.close())

const get = (method = 'GET') => `${method} /packages/${PACKAGE} HTTP/1.1\r\nhost: localhost\r\n\r\n`

/** A connection that has sent this and reads nothing. */
async function sendAndStall(text: string): Promise<TLSSocket> {
  const { host, port } = splitAddress(web.address)
  const socket = tlsConnect({ host, port, ca: web.cluster.hostRootsPem, servername: 'localhost' })
  socket.on('error', () => {})
  await new Promise((connected) => socket.once('secureConnect', connected))
  socket.pause()
  socket.write(text)
  return socket
}

/** How many descriptors of this process read the package. */
async function openPackages(): Promise<number> {
  const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''))
  return (await Promise.all(links)).filter((file) => file === path.join(web.folder, PACKAGE)).length
}

const bytesReadByThisProcess = async () => Number(/rchar: (\d+)/.exec(await readFile('/proc/self/io', 'utf8'))![1])

test('pipelined downloads are answered one at a time', async () => {
  const socket = await sendAndStall(get().repeat(2))
  await eventually('open', async () => (await openPackages()) > 0)
  expect(await openPackages()).toBe(1)
  socket.destroy()
  await eventually('closed', async () => (await openPackages()) === 0)
})

test('a connection that pipelines three requests ends', async () => {
  const socket = await sendAndStall(get().repeat(3))
  socket.resume()
  await new Promise((closed) => socket.once('close', closed))
  await eventually('closed', async () => (await openPackages()) === 0)
})

test('a second request that is sent before the first answer has arrived is answered', async () => {
  const socket = await sendAndStall(get('HEAD').repeat(2))
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString())).resume()
  await eventually('answered', () => text.split('200 OK').length === 3)
  socket.destroy()
})

test('a closed connection gives its file and its place back, whatever it had asked for', async () => {
  for (let round = 0; round < 40; round++) {
    const socket = await sendAndStall(get().repeat(1 + (round % 2)))
    await eventually('open', async () => (await openPackages()) > 0)
    socket.destroy()
    await eventually('closed', async () => (await openPackages()) === 0)
  }
  expect((await web.ask('/packages/SHA256SUMS')).status).toBe(200)
})

test('HEAD tells the size of a package and reads none of it', async () => {
  const before = await bytesReadByThisProcess()
  const socket = await sendAndStall(get('HEAD'))
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString())).resume()
  await eventually('answered', () => text.includes('\r\n\r\n'))
  expect(text).toMatch(new RegExp(`^HTTP/1.1 200 OK\r\n(.*\r\n)*content-length: ${PACKAGE_BYTES}\r\n`))
  // The connection stays open: its close would end what reads the file.
  await eventually('closed', async () => (await openPackages()) === 0)
  expect((await bytesReadByThisProcess()) - before).toBeLessThan(PACKAGE_BYTES / 2)
  socket.destroy()
})

test('a download pauses while its source is over its budget, and is not cut off', async () => {
  const paced = await startPackages({ MUSTER_GATE_CPU_PERCENT_PER_SOURCE: '1' })
  const { host, port } = splitAddress(paced.address)
  const socket = tlsConnect({ host, port, ca: paced.cluster.hostRootsPem, servername: 'localhost' })
  let bytes = 0
  socket.on('data', (chunk: Buffer) => (bytes += chunk.length)).write(get())
  await eventually('begun', () => bytes > 1_000)
  // Meanwhile a download with a larger budget gets the whole package.
  expect((await web.ask(`/packages/${PACKAGE}`)).body).toHaveLength(PACKAGE_BYTES)
  expect(bytes).toBeLessThan(PACKAGE_BYTES)
  const seen = bytes
  await eventually('goes on', () => bytes > seen)
  expect(socket.destroyed).toBe(false)
  socket.destroy()
  await paced.life.close()
})
