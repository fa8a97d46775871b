import { connect } from 'node:tls'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { X509Certificate } from 'node:crypto'
import { afterEach, describe, expect, test } from '@jest/globals'
import { splitAddress } from '@muster/domain'
import { eventually, testCluster, type TestMember } from '@muster/testkit'
import { startWebFace, type Variables, type WebFace } from '../../test/support/web-face.ts'

/** An authority that the clients of these tests trust, as they trust those of their operating system. */
const publicRoots = testCluster('public.example')
const HOUR_MS = 3_600_000
let web: WebFace | undefined

afterEach(async () => {
  await web?.life.close()
  web = undefined
})

function certificate(dates: { notBefore?: Date; notAfter?: Date } = {}): TestMember {
  return publicRoots.member({ kind: 'service', name: 'web', dnsNames: ['localhost'], ...dates })
}

function ownFiles({ own }: TestMember, key = own.keyPem): Variables {
  return async (write) => ({
    MUSTER_WEB_CERT_FILE: await write('cert.pem', own.chainPem),
    MUSTER_WEB_KEY_FILE: await write('key.pem', key),
  })
}

/** The serial of the certificate that a new connection sees. */
function shownSerial(address: string): Promise<string> {
  const { host, port } = splitAddress(address)
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, rejectUnauthorized: false }, () => {
      resolve(new X509Certificate(socket.getPeerCertificate().raw).serialNumber.toLowerCase())
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

describe('the certificate of an administrator', () => {
  test('the certificate of an administrator is shown, and browsers are told to insist on HTTPS', async () => {
    web = await startWebFace(ownFiles(certificate()))
    const { status, headers } = await web.ask('/webapi/ping', { ca: publicRoots.hostRootsPem })
    expect(status).toBe(200)
    expect(headers['strict-transport-security']).toBe('max-age=31536000')
    await expect(web.ask('/webapi/ping')).rejects.toThrow(/certificate/)
  })

  test('a changed certificate is shown to new connections, and a pair that does not fit changes nothing', async () => {
    web = await startWebFace(ownFiles(certificate()))
    const { address, write } = web
    const next = certificate()
    await write('cert.pem', next.own.chainPem)
    const failed = ({ task, level }: Record<string, unknown>) => task === 'certificate-reload' && level === 'warn'
    await eventually('the half-written pair is reported', () => web!.lines.some(failed))
    expect(await shownSerial(address)).not.toBe(next.serial)
    await write('key.pem', next.own.keyPem)
    await eventually('shown', async () => (await shownSerial(address)) === next.serial)
    await rm(path.join(web.folder, 'key.pem'))
    expect(await shownSerial(address)).toBe(next.serial)
  })

  test('an expired certificate is reported at the start, and the web face is not ready', async () => {
    const past = { notBefore: new Date(Date.now() - 2 * HOUR_MS), notAfter: new Date(Date.now() - HOUR_MS) }
    web = await startWebFace(ownFiles(certificate(past)))
    expect(web.lines.some(({ event }) => event === 'certificate.expired')).toBe(true)
    expect((await fetch(`http://${web.diagnosticsAddress}/readyz`)).status).toBe(503)
    await expect(web.ask('/webapi/ping', { ca: publicRoots.hostRootsPem })).rejects.toThrow(/expired/)
  })
})

describe('a start is refused', () => {
  test.each<[string, Variables, RegExp]>([
    ['a key of another certificate', ownFiles(certificate(), certificate().own.keyPem), /is not the key of/],
    ['a key that is none', ownFiles(certificate(), 'junk'), /MUSTER_WEB_KEY_FILE: .* does not hold a private key/],
    [
      'a missing file',
      async () => ({ MUSTER_WEB_CERT_FILE: '/nowhere/cert.pem', MUSTER_WEB_KEY_FILE: '/nowhere/key.pem' }),
      /MUSTER_WEB_CERT_FILE: .*\/nowhere\/cert\.pem/,
    ],
    ['a certificate without a key', async () => ({ MUSTER_WEB_CERT_FILE: '/c.pem' }), /MUSTER_WEB_KEY_FILE: give both/],
    ['a channel without a version', async () => ({ MUSTER_CHANNELS: 'stable' }), /MUSTER_CHANNELS: /],
  ])('a start is refused with %s', async (_what, variables, message) => {
    await expect(startWebFace(variables)).rejects.toThrow(message)
  })
})
