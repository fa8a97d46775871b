import pg from 'pg'

/** A host that does not answer in this time is taken for lost. */
const PROBE_MS = 2_000

/** Finds the one host of several that takes writes, and remembers it until a connection to it fails. */
export class WritableHost {
  readonly #urls: readonly string[]
  #known: string | undefined
  #search: Promise<string> | undefined

  constructor(urls: readonly string[]) {
    this.#urls = urls
  }

  /** The URL of the host that takes writes; callers share a search. @throws Error when no host does */
  find(): Promise<string> {
    if (this.#known !== undefined) return Promise.resolve(this.#known)
    this.#search ??= this.#probeAll().finally(() => (this.#search = undefined))
    return this.#search
  }

  /** The host failed, or takes no writes any more: the next caller searches. */
  forget(url: string): void {
    if (this.#known === url) this.#known = undefined
  }

  async #probeAll(): Promise<string> {
    try {
      return (this.#known = await Promise.any(this.#urls.map(probe)))
    } catch (error) {
      const { errors } = error as AggregateError
      throw new Error(`no database takes writes: ${errors.map(({ message }: Error) => message).join('; ')}`, {
        cause: error,
      })
    }
  }
}

async function probe(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: PROBE_MS, query_timeout: PROBE_MS })
  client.on('error', () => {})
  try {
    await client.connect()
    await assertWritable(client)
    return url
  } finally {
    // A host that hangs would not answer to the end of the connection either.
    client.end().catch(() => {})
  }
}

/** @throws Error if transactions of this connection cannot write */
export async function assertWritable(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ transaction_read_only: string }>('show transaction_read_only')
  if (rows[0]?.transaction_read_only !== 'off') throw new Error('a database takes no writes')
}
