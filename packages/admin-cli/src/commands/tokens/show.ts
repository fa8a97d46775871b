import { UsageError } from '@muster/cli-kit'
import { print, facts, styleFor, table, utcTimeAndDistance } from '@muster/cli-kit/print'
import type { token } from '@muster/contracts'
import { formatLabels } from '@muster/domain'
import { defineCommand, FORMAT } from '../../cli/command.ts'
import { oneToken } from './token-argument.ts'
import { expiryText, stateText, typeText } from './columns.ts'
import { entrantColumns } from './entrant-columns.ts'
import { newestEntrants, type Entrant } from './token-entrants.ts'
import { tokenStateOf, tokenJson, tokenTypeOf, usesLeft } from './json.ts'

/** Shows a token in any state and the newest who joined with it, but not its secret. */
export const tokensShow = defineCommand({
  options: {
    limit: { type: 'number', default: 100, describe: 'The largest number of nodes to show' },
    format: FORMAT,
  },
  examples: [
    ['$0 tokens show abcdefghij', 'who created it, what it admits, and who joined with it'],
    [`$0 tokens show abcdefghij --format=json | jq -r '.nodes[].hostname'`, 'the nodes alone'],
  ],
  async run({ format, limit, positionals }, { io, now, cluster }) {
    const idOrName = oneToken(positionals)
    if (!Number.isInteger(limit) || limit < 1) throw new UsageError('--limit: must be a whole number above zero')
    const services = await cluster()
    const { token: found } = await services.tokens.getToken({ idOrName })
    if (found === undefined) throw new Error('token-service answered without a token')
    const { newest: entrants, hasMore } = await newestEntrants(found, services, limit)
    const data = {
      ...tokenJson(found),
      nodes: entrants.filter(({ kind }) => kind === 'node').map(machineJson),
      bots: entrants.filter(({ kind }) => kind === 'bot').map((bot) => ({ name: bot.name, ...machineJson(bot) })),
      people: entrants.filter(({ kind }) => kind === 'person').map(personJson),
    }
    await print(io, format, data, () => {
      io.stdout.write(facts(factsOf(found, now())))
      if (entrants.length > 0) io.stdout.write(`\nJoined with it:\n\n`)
      if (entrants.length > 0)
        io.stdout.write(table(entrantColumns(entrants[0]!.kind, now()), entrants, styleFor(io.stdout, io.env)))
      const others = found.uses - entrants.length
      if (others > 0 && !hasMore) io.stdout.write(`\n${goneText(others, entrants.length, found.id)}\n`)
    })
    if (hasMore) {
      io.stderr.write(
        `These are the newest ${limit}: raise --limit, or see all with 'musterctl nodes ls --token=${found.id}'.\n`,
      )
    }
  },
})

function machineJson({ id, hostname, address, at, status }: Entrant) {
  return { id, hostname, address, joined_at: at ?? null, status }
}

function personJson({ name, address, at }: Entrant) {
  return { name, address: address === '' ? null : address, signed_up_at: at ?? null }
}

function factsOf(found: token.Token, now: Date): [string, string][] {
  const { allowCidrs = [], allowHostnames = [] } = found.restrictions ?? {}
  const when = (at: Date) => utcTimeAndDistance(at, now)
  const isStatic = tokenTypeOf(found) === 'static'
  const rows: [string, string][] = [
    ['Token id', found.id],
    ['Name', found.name],
    ['Type', typeText(found)],
    ['State', stateText(found)],
    ['Description', found.description],
    ['Labels', formatLabels(found.labels)],
    ['Created', found.createdAt === undefined ? '' : when(found.createdAt)],
    [isStatic ? 'Defined in' : 'Created by', found.createdBy],
    ['Expires', expiryText(found, now)],
    ['Revoked', found.revokedAt === undefined ? '' : when(found.revokedAt)],
    ['Uses', usesText(found)],
    ['Networks', allowCidrs.join(', ')],
    ['Host names', allowHostnames.join(', ')],
    ['Node labels', formatLabels(found.nodeLabels)],
  ]
  return rows.filter(([, value]) => value !== '')
}

function usesText(found: token.Token): string {
  const left = usesLeft(found)
  if (left === undefined) return `${found.uses}, no limit`
  return tokenStateOf(found) === 'live'
    ? `${found.uses} of ${found.maxUses}, ${left} left`
    : `${found.uses} of ${found.maxUses}`
}

/** Removed nodes and nodes that never finished their join were admitted, but are no longer listed. */
function goneText(count: number, present: number, id: string): string {
  const more = present === 0 ? '' : ' more'
  return `${count}${more} ${count === 1 ? 'was' : 'were'} admitted and ${count === 1 ? 'is' : 'are'} no longer listed: see 'musterctl audit ls --token ${id}'.`
}
