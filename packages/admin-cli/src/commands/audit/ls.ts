import { UsageError } from '@muster/cli-kit'
import { printList } from '@muster/cli-kit/print'
import type { audit } from '@muster/contracts'
import { PAGE_SIZE } from '../../cluster/all-pages.ts'
import { AUDIT_COLUMNS } from './columns.ts'
import { AUDIT_FILTERS, auditFilter, parseSince } from './filter.ts'
import { auditJson } from './json.ts'
import { allEvents } from './sources.ts'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { EXIT } from '../../cli/exit-status.ts'
import { safeText } from '@muster/domain/safe-text'

const PRINTED_AT_ONCE = 500

/**
 * Lists the audit events of all services, newest first. If a service fails, it is named on stderr, the events of the others are
 * printed, and the exit status is 1.
 */
export const auditLs = defineCommand({
  options: {
    since: {
      type: 'string',
      describe: 'Events since then: how long ago (1h, 2d), or a time (2026-11-22T18:00:00Z)',
    },
    ...AUDIT_FILTERS,
    limit: { type: 'number', default: 100, describe: 'The largest number of events to list' },
    format: FORMAT,
  },
  examples: [
    ['$0 audit ls --since=1h --outcome=refused', 'what was refused, and why'],
    ['$0 audit ls --token=abcdefghij', 'what a token was used for'],
    ['$0 audit ls --actor=alice --type=token', 'what a person did with tokens'],
    [`$0 audit ls --limit=1000 --format=json | jq -r '.[].action' | sort | uniq -c`, 'what happens most'],
  ],
  async run({ format, limit, since, ...flags }, { io, now, cluster }) {
    if (!Number.isInteger(limit) || limit < 1) throw new UsageError('--limit: must be a whole number above zero')
    const filterFor = auditFilter(flags, parseSince(since, now()))
    const services = await cluster()
    const filter = await filterFor(services)
    let hasFailed = false
    const events = allEvents(services, {
      filter,
      // One extra event shows whether there are more.
      pageSize: Math.min(limit + 1, PAGE_SIZE),
      failed({ message, next }) {
        hasFailed = true
        for (const line of [message, next ?? '']) if (line !== '') io.stderr.write(`musterctl: ${safeText(line)}\n`)
      },
    })
    let shown = 0
    let hasMore = false
    async function* pages() {
      let page: audit.AuditEvent[] = []
      for await (const event of events) {
        hasMore = shown === limit
        if (hasMore) break
        page.push(event)
        shown += 1
        if (page.length < PRINTED_AT_ONCE) continue
        yield page
        page = []
      }
      yield page
    }
    await printList(io, format, pages(), {
      json: auditJson,
      columns: () => AUDIT_COLUMNS,
      none: 'No event matches. Leave out a filter, or choose an earlier --since.',
    })
    if (hasMore && format === 'text') {
      io.stderr.write(
        `There are more than ${limit} events: raise --limit, or narrow the list with --since or another filter.\n`,
      )
    }
    return hasFailed ? EXIT.failed : EXIT.done
  },
})
