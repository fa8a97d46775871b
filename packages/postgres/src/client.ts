import { callbackify } from 'node:util'
import pg from 'pg'
import { parseDatabaseUrl } from './database-url.ts'
import { assertWritable, WritableHost } from './writable-host.ts'

type Connected = ((error: Error) => void) | ((error: null, client: pg.Client) => void)

/** Where a database is, and what a pooler before it can do. */
export interface DatabaseOptions {
  databaseUrl: string
  /**
   * Who keeps the state of a session: `session` when a connection is one session of Postgres, `transaction` when a pooler such
   * as PgBouncer gives each transaction another one. Default `session`.
   */
  poolMode?: 'session' | 'transaction'
  /** Whether statements are prepared by name, once per connection. Poolers may not know them. Default true. */
  namedStatements?: boolean
}

/** Returns the class of clients for a database, and the address that its instances are created with. */
export function clientsOf(options: DatabaseOptions): { Client: typeof pg.Client; connectionString: string } {
  const { urls, writable } = parseDatabaseUrl(options.databaseUrl)
  const hosts = writable ? new WritableHost(urls) : undefined
  const isNamed = options.namedStatements ?? true

  class Client extends pg.Client {
    constructor(config?: string | pg.ClientConfig) {
      super(config)
      if (isNamed) return
      const query = this.query.bind(this) as (...args: unknown[]) => unknown
      this.query = ((first: unknown, ...rest: unknown[]) => query(unnamed(first), ...rest)) as typeof this.query
    }

    override connect(): Promise<pg.Client>
    override connect(callback: Connected): void
    override connect(callback?: Connected): Promise<pg.Client> | void {
      const connecting = hosts === undefined ? super.connect() : this.#connectTo(hosts, () => super.connect())
      if (callback === undefined) return connecting
      callbackify(() => connecting)(callback as (error: Error | null, client: pg.Client) => void)
    }

    async #connectTo(hosts: WritableHost, connect: () => Promise<pg.Client>): Promise<pg.Client> {
      const url = await hosts.find()
      try {
        const { host, port } = new pg.Client({ connectionString: url })
        Object.assign(this, { host, port })
        const client = await connect()
        await assertWritable(client)
        return client
      } catch (error) {
        hosts.forget(url)
        this.end().catch(() => {})
        throw error
      }
    }
  }
  return { Client, connectionString: urls[0]! }
}

function unnamed(query: unknown): unknown {
  if (typeof query !== 'object' || query === null || !('name' in query && 'text' in query)) return query
  const { name: _, ...rest } = query
  return rest
}
