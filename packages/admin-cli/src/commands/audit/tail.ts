import type { Io, Format } from '@muster/cli-kit'
import { toJson, toYaml, styleFor } from '@muster/cli-kit/print'
import type { audit } from '@muster/contracts'
import { AUDITED_SERVICES, type AuditedService } from '@muster/domain'
import { AUDIT_FILTERS, auditFilter } from './filter.ts'
import { auditJson } from './json.ts'
import { auditTableToCome } from './columns.ts'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { follow } from '../../cluster/follow.ts'

/**
 * Prints audit events of all services as they happen, until interrupted (exit status 0). Reconnects after a lost connection and
 * prints what it missed. Fails if it cannot reach any service at the start.
 */
export const auditTail = defineCommand({
  options: {
    ...AUDIT_FILTERS,
    format: { ...FORMAT, describe: 'text for people; json: one line per event; yaml: one document per event' },
  },
  examples: [
    ['$0 audit tail', 'what happens now'],
    ['$0 audit tail --type=node.join --outcome=refused', 'joins that are refused'],
    ['$0 audit tail --format=json', 'one object per line'],
  ],
  async run({ format, ...flags }, { io, signal, cluster }) {
    const filterFor = auditFilter(flags)
    const services = await cluster()
    const filter = await filterFor(services)
    const show = eventPrinter(io, format)
    const over = new AbortController()
    const untilOver = AbortSignal.any([signal, over.signal])
    const unreachable = new Set<AuditedService>()
    let isAnyReached = false

    const followService = async (service: AuditedService) => {
      let afterPosition = ''
      /** Events printed since that position; the service repeats them after a reconnect. */
      const shown = new Set<string>()
      await follow({
        io,
        signal: untilOver,
        open: () => services.watchAudit(service, { filter, afterPosition }, untilOver),
        async show({ message }) {
          isAnyReached = true
          if (message?.$case === 'position' && message.value !== afterPosition) {
            afterPosition = message.value
            shown.clear()
          } else if (message?.$case === 'event') {
            const { id, count } = message.value
            if (shown.has(`${id} ${count}`)) return
            shown.add(`${id} ${count}`)
            await show(message.value)
          }
        },
        maybeLater() {
          unreachable.add(service)
          return isAnyReached || unreachable.size < AUDITED_SERVICES.length
        },
      })
    }
    try {
      await Promise.all(AUDITED_SERVICES.map(followService))
    } finally {
      over.abort()
    }
  },
})

function eventPrinter({ stdout, env }: Io, format: Format): (event: audit.AuditEvent) => void | Promise<void> {
  if (format === 'json') return (event) => void stdout.write(`${toJson(auditJson(event))}\n`)
  if (format === 'yaml') return async (event) => void stdout.write(`---\n${await toYaml(auditJson(event))}`)
  const { head, lines } = auditTableToCome(styleFor(stdout, env))
  stdout.write(head)
  return (event) => void stdout.write(lines([event]))
}
