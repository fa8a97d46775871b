import { type NodeProfile, readIdentity } from '@muster/identity'
import { type Clock, type LineLog, retry } from '@muster/runtime'
import type { StartOptions } from '../config/options.ts'
import { groupId } from './group-id.ts'
import { runOnRenew } from './on-renew.ts'
import { publishIdentity } from './tls-folder.ts'

/**
 * How this agent serves its identity to foreign servers. The function that it returns publishes what is on disk now and runs
 * the command of --on-renew if that is new; it does nothing unless --identity-group or --on-renew is given. A failure, as
 * on a full disk, is a warning and is tried again until the signal aborts, or for --join-timeout with --oneshot.
 * @throws UsageError if there is no such group
 */
export async function identityServer(
  { dataDir, identityGroup, onRenew, oneshot, joinTimeoutMs }: ServeOptions,
  { clock, log, signal }: { clock: Clock; log: LineLog; signal: AbortSignal },
): Promise<() => Promise<void>> {
  if (identityGroup === undefined && onRenew === undefined) return async () => {}
  const gid = identityGroup === undefined ? undefined : await groupId(identityGroup)
  const publish = async () => {
    const identity = await readIdentity<NodeProfile>(dataDir)
    return identity !== undefined && (await publishIdentity(dataDir, identity, gid))
  }
  const serve = async () => {
    const isNew = await retry(publish, {
      clock,
      signal,
      isTransient: () => true,
      maxDelayMs: 60_000,
      ...(oneshot && { giveUpAfterMs: joinTimeoutMs }),
      onRetry: (error) => log.warn({ err: error }, 'the files for foreign servers could not be written; trying again'),
    })
    if (isNew && onRenew !== undefined) await runOnRenew(onRenew, dataDir, log)
  }
  // One at a time: a set that is being written is finished before the next.
  let last: Promise<unknown> = Promise.resolve()
  return () => {
    const done = last.then(serve)
    last = done.catch(() => {})
    return done
  }
}

type ServeOptions = Pick<StartOptions, 'dataDir' | 'identityGroup' | 'onRenew' | 'oneshot' | 'joinTimeoutMs'>
