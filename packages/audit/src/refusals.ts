import type { Logger } from '@muster/runtime'
import type pg from 'pg'
import { recordAudit, type AuditEvent } from './record.ts'

/** Whoever can reach the port can be refused; beyond this rate the log alone has it, so a flood cannot fill the database. */
const MAX_ROWS_PER_SECOND = 20

/** Writes refusals to the audit, up to a rate. */
export class Refusals {
  readonly #pool: pg.Pool
  readonly #log: Logger
  #second = 0
  #rows = 0

  constructor(pool: pg.Pool, log: Logger) {
    this.#pool = pool
    this.#log = log
  }

  /** Notes a refusal. Never throws: the refusal stands whether or not it could be written down. */
  async record(event: Omit<AuditEvent, 'outcome'>): Promise<void> {
    const second = Math.floor(Date.now() / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#rows = 0
    }
    this.#rows += 1
    if (this.#rows > MAX_ROWS_PER_SECOND) return
    await recordAudit(this.#pool, { ...event, outcome: 'refused' }).catch((failure: unknown) => {
      this.#log.warn({ err: failure, action: event.action }, 'could not record a refusal')
    })
  }
}
