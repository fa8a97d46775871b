import type { audit } from '@muster/contracts'
import { AUDITED_SERVICES, type AuditedService } from '@muster/domain'
import { pagesOf } from '../../cluster/all-pages.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { CallError } from '../../cli/errors.ts'

/** One service's events, newest first. */
async function* eventsOf(
  { audit: clients }: Pick<Cluster, 'audit'>,
  service: AuditedService,
  filter: audit.EventFilter,
  pageSize: number,
): AsyncGenerator<audit.AuditEvent> {
  const pages = pagesOf(async (pageToken) => {
    const page = await clients[service].listEvents({ pageSize, pageToken, filter })
    return { items: page.events, next: page.nextPageToken }
  })
  for await (const page of pages) yield* page
}

/**
 * Merges the events of all services, newest first, page by page. Leaves out a service from its first failure on, and calls
 * `failed`. @throws CallError if all of them fail
 */
export async function* allEvents(
  cluster: Pick<Cluster, 'audit'>,
  { filter, pageSize, failed }: { filter: audit.EventFilter; pageSize: number; failed: (error: CallError) => void },
): AsyncGenerator<audit.AuditEvent> {
  const failures: CallError[] = []
  const nextOf = async (source: AsyncGenerator<audit.AuditEvent>) => {
    try {
      const next = await source.next()
      return next.done === true ? undefined : { source, event: next.value }
    } catch (error) {
      if (!(error instanceof CallError)) throw error
      failures.push(error)
      return undefined
    }
  }
  const sources = AUDITED_SERVICES.map((service) => eventsOf(cluster, service, filter, pageSize))
  let heads = (await Promise.all(sources.map(nextOf))).filter((head) => head !== undefined)
  if (failures.length === sources.length) throw failures[0]!
  for (;;) {
    failures.splice(0).forEach(failed)
    if (heads.length === 0) return
    const newest = heads.reduce((a, b) => (timeOf(b.event) > timeOf(a.event) ? b : a))
    yield newest.event
    const next = await nextOf(newest.source)
    heads = heads.flatMap((head) => (head !== newest ? [head] : next === undefined ? [] : [next]))
  }
}

function timeOf({ at }: audit.AuditEvent): number {
  return at?.getTime() ?? 0
}
