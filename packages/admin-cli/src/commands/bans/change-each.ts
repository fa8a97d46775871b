import { UsageError, type Format } from '@muster/cli-kit'
import { print } from '@muster/cli-kit/print'
import { safeText } from '@muster/domain/safe-text'
import type { Context } from '../../cli/command.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { removeEach, reportRemoval } from '../../cluster/removal.ts'

/** A change of the standing of members, one by one. */
export interface StandingChange<T> {
  /** The usage error when no member is named. */
  noneGiven: string
  /** Reads what a person types for a member. @throws UsageError */
  parse: (text: string) => string
  change: (services: Cluster, reference: string) => Promise<T | undefined>
  json: (item: T) => object
  /** The line for people about the changed member. */
  line: (item: T, now: Date) => string
}

/** Changes one member after the other. Continues after a refusal; the exit status is then 1. */
export async function changeEach<T>(
  { positionals, format }: { positionals: readonly string[]; format: Format },
  { io, cluster, now }: Context,
  { noneGiven, parse, change, json, line }: StandingChange<T>,
): Promise<number> {
  if (positionals.length === 0) throw new UsageError(noneGiven)
  const wanted = positionals.map(parse)
  const services = await cluster()
  const done = await removeEach(
    wanted,
    async (reference) => {
      const changed = await change(services, reference)
      if (changed === undefined) throw new Error('registration-service answered without the member')
      return changed
    },
    (reference) => reference,
  )
  await print(io, format, done.removed.map(json), () => {
    done.removed.forEach((item) => io.stdout.write(`${safeText(line(item, now()))}\n`))
  })
  return reportRemoval(io, done)
}
