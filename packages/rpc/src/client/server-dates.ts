import { connect as connectHttp2 } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { dersFromPem, verifyChain } from '@muster/pki'
import type { ServerDates } from '../tls/clock-error.ts'
import { peerChain } from './peer-chain.ts'

/** The message is as good without the time of a server that does not tell it. */
const DATE_LIMIT_MS = 2_000

/** What a server shows and tells over a connection that need not be verified. */
export interface ServerShown {
  /** The certificates of its chain, DER, leaf first. */
  chainDer: Buffer[]
  dates: ServerDates
}

/** Reads the chain of a server, and its clock from the header `date` of any HTTP/2 response. Sends a request for nothing. */
export async function askServer(socket: TLSSocket): Promise<ServerShown> {
  const chain = peerChain(socket)
  const { valid_from: from = '', valid_to: to = '' } = chain[0] ?? {}
  const dates = { validFrom: new Date(from), validUntil: new Date(to), now: await readDate(socket) }
  return { chainDer: chain.map(({ raw }) => raw), dates }
}

/** True if the dates are all that is wrong with a chain: it verified when its leaf began. */
export function hasVerified({ chainDer, dates }: ServerShown, rootsPem: string): boolean {
  const [leafDer = Buffer.alloc(0), ...intermediatesDer] = chainDer
  return verifyChain({ leafDer, intermediatesDer, rootsDer: dersFromPem(rootsPem), now: dates.validFrom })
}

function readDate(socket: TLSSocket): Promise<Date | undefined> {
  return new Promise((resolve) => {
    const session = connectHttp2('https://server', { createConnection: () => socket })
    const timer = setTimeout(() => end(), DATE_LIMIT_MS)
    const end = (date?: string) => {
      clearTimeout(timer)
      const now = new Date(date ?? '')
      resolve(Number.isNaN(now.getTime()) ? undefined : now)
      session.destroy()
    }
    session.on('error', () => end()).on('close', () => end())
    session
      .request({ ':method': 'POST', ':path': '/', 'content-type': 'application/grpc', te: 'trailers' })
      .on('response', ({ date }) => end(date))
      .on('error', () => end())
      .end()
  })
}
