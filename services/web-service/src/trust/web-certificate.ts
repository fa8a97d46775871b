import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { TlsIdentity } from '@muster/rpc'
import { type Background, repeatEvery, whyUnreadable } from '@muster/runtime'
import { ConfigError } from '@muster/service-kit'

const LOOK_EVERY_MS = 1_000

/** The certificate that the web face shows. */
export interface WebCertificate {
  tls: TlsIdentity
  /** Whether an administrator gave it. Otherwise it comes from the cluster's host authority, which no browser knows. */
  isPublic: boolean
}

/** The files of an administrator. */
export interface CertificateFiles {
  certificate: string
  key: string
}

/**
 * The certificate of an administrator, read again within about a second of a change, or the service's own. A changed pair
 * that does not fit is logged, and the earlier one stays in use.
 * @throws ConfigError if the files cannot be used at the start
 */
export function openWebCertificate(
  files: CertificateFiles | undefined,
  own: TlsIdentity,
  background: Background,
): WebCertificate {
  if (files === undefined) return { tls: own, isPublic: false }
  let pair = readAtStart(files)
  const tls = new TlsIdentity(materialOf(pair))
  if (isExpired(tls, background.clock.now())) {
    background.log.error(
      { event: 'certificate.expired', file: files.certificate },
      'the certificate has expired; clients refuse it',
    )
  }
  const work = async () => {
    const found = readPair(files)
    if (found.keyPem === pair.keyPem && found.chainPem === pair.chainPem) return
    tls.update(materialOf(found))
    pair = found
    background.log.info({ event: 'certificate.reloaded', file: files.certificate }, 'reloaded the certificate')
  }
  repeatEvery({ task: 'certificate-reload', everyMs: LOOK_EVERY_MS, work }, background)
  return { tls, isPublic: true }
}

/** Whether the certificate that is shown now has ended. */
export function isExpired(tls: TlsIdentity, now: Date): boolean {
  return new Date(new X509Certificate(tls.current.own!.chainPem).validTo) <= now
}

interface Pair {
  keyPem: string
  chainPem: string
}

function materialOf(own: Pair) {
  // The roots of an administrator's certificate are those of the operating system of each client.
  return { own, hostRootsPem: '', userRootsPem: '' }
}

function readAtStart(files: CertificateFiles): Pair {
  try {
    return readPair(files)
  } catch (error) {
    throw new ConfigError(`The configuration is not usable:\n  ${(error as Error).message}`)
  }
}

/** @throws Error that names the variable whose file is wrong */
function readPair({ certificate, key }: CertificateFiles): Pair {
  const chainPem = readText('MUSTER_WEB_CERT_FILE', certificate)
  const keyPem = readText('MUSTER_WEB_KEY_FILE', key)
  const leaf = parsed('MUSTER_WEB_CERT_FILE', certificate, 'a certificate', () => new X509Certificate(chainPem))
  const privateKey = parsed('MUSTER_WEB_KEY_FILE', key, 'a private key without a passphrase', () =>
    createPrivateKey(keyPem),
  )
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new Error(`MUSTER_WEB_KEY_FILE: ${key} is not the key of the certificate in ${certificate}`)
  }
  return { keyPem, chainPem }
}

function readText(variable: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`${variable}: ${whyUnreadable(file, error)}`, { cause: error })
  }
}

function parsed<T>(variable: string, file: string, what: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new Error(`${variable}: ${file} does not hold ${what} in PEM`, { cause: error })
  }
}
