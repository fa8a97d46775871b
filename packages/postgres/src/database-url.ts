import { splitAddress } from '@muster/domain'

/** Where a database is. */
export interface DatabasePlace {
  /** One URL per host, each as `pg` takes it. */
  urls: readonly string[]
  /** Whether only a host that takes writes will do. */
  writable: boolean
}

const PARTS = /^(?<before>postgres(?:ql)?:\/\/(?:[^/?#]*@)?)(?<hosts>[^/?#]*)(?<path>[^?#]*)(?:\?(?<query>[^#]*))?$/
const TARGET = 'target_session_attrs'
/** All statements of services may write, so the other values of libpq are of no use. */
const TARGETS = new Set(['read-write', 'primary'])

/**
 * Reads the URL of a database, which may name several hosts as libpq's URLs do:
 * `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?target_session_attrs=read-write`. With several hosts, the one that
 * takes writes is used. @throws Error that does not repeat the URL, since a password is in it
 */
export function parseDatabaseUrl(text: string): DatabasePlace {
  const { before = '', hosts = '', path = '', query } = PARTS.exec(text)?.groups ?? {}
  // A socket, or a host among the parameters: for pg to read.
  if (hosts === '') return { urls: [text], writable: false }
  const parameters = (query ?? '').split('&').filter((each) => each !== '')
  const targets = parameters
    .filter((each) => each.startsWith(`${TARGET}=`))
    .map((each) => each.slice(TARGET.length + 1))
  if (!targets.every((target) => TARGETS.has(target))) throw new Error(`${TARGET} must be read-write or primary`)
  const rest = parameters.filter((each) => !each.startsWith(`${TARGET}=`)).join('&')
  const names = hosts.split(',')
  for (const name of names) {
    const { host, port } = splitAddress(name)
    if (host === '' || Number.isNaN(port)) throw new Error('each host must be HOST or HOST:PORT, with commas between')
  }
  return {
    urls: names.map((name) => `${before}${name}${path}${rest === '' ? '' : `?${rest}`}`),
    writable: names.length > 1 || targets.length > 0,
  }
}
