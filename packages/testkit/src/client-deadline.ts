import type { Connection } from '@muster/rpc'
import { CALL_LIMIT_MS } from './limits.ts'

type Call = (request: unknown, options?: { timeoutMs?: number }) => Promise<unknown>

/** The same connection, whose calls wait for as long as tests do unless a call says how long it may take. */
export function withTestDeadline(connection: Connection): Connection {
  return {
    ...connection,
    client(definition) {
      const calls = Object.entries(connection.client(definition) as Record<string, Call>).map(([name, call]) => [
        name,
        (request: unknown, options?: object) => call(request, { timeoutMs: CALL_LIMIT_MS, ...options }),
      ])
      return Object.fromEntries(calls)
    },
  }
}
