import { UsageError } from '@muster/cli-kit'
import { utcTime } from '@muster/cli-kit/print'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { AppError } from '@muster/domain'
import { dersFromPem, spkiPin } from '@muster/pki'
import { claim } from '@muster/processes'
import { connect, TlsIdentity } from '@muster/rpc'
import { ensureFolder, FileError, withFile } from '@muster/runtime'
import { certificateLife, forgetJoinKey, type NodeIdentity, tlsMaterial, writeIdentity } from '@muster/identity'
import { hasExpired } from '../join/expiry.ts'
import { join, requireJoinOptions } from '../join/join.ts'
import { describeMember, loadIdentity } from '../join/node-identity.ts'
import { identityServer } from '../served/serve-identity.ts'
import { recoverAtStart } from '../join/recover-at-start.ts'
import { nodeFacts, type StartOptions } from '../config/options.ts'
import { BeatRecorder } from '../status/beat-recorder.ts'
import { LOCK_FILE, readReport } from '../status/report.ts'
import { renewNow } from './renew.ts'
import { runUntilStopped, type StartDeps } from './run-until-stopped.ts'

/**
 * Runs the agent: joins if the data directory has no identity yet, then sends heartbeats and renews until the signal
 * aborts; a bot only renews. With --oneshot it returns once fresh credentials are on disk. It ends when the cluster
 * refuses it, and retries all other failures.
 * @throws Error if another agent uses the data directory: two that renew with the same credentials look like a theft
 */
export async function start(options: StartOptions, deps: StartDeps): Promise<void> {
  const { dataDir, dataDirFrom } = options
  try {
    await startIn(options, deps)
  } catch (error) {
    if (!(error instanceof FileError) || !isOf(dataDir, error)) throw error
    const message = `${dataDirFrom}: ${error.message}`
    throw error.use === 'create' ? new UsageError(message) : new Error(message, { cause: error })
  }
}

/** Whether the path that failed is in the data directory, or is a folder on the way to it. */
function isOf(dataDir: string, { use, path: failed }: FileError): boolean {
  return use === 'create' || !path.relative(dataDir, failed).startsWith('..')
}

async function startIn(options: StartOptions, deps: StartDeps): Promise<void> {
  const { dataDir } = options
  await ensureFolder(dataDir)
  const lock = path.join(dataDir, LOCK_FILE)
  const held = await withFile('write', lock, () => claim(lock, `The data directory ${dataDir}`))
  const beats = new BeatRecorder(dataDir, deps)
  let diagnostics: { close: () => Promise<void> } | undefined
  try {
    if (options.diagAddr !== undefined && !options.oneshot) {
      const { serveDiagnostics } = await import('../status/diagnostics.ts')
      diagnostics = await serveDiagnostics(options.diagAddr, () =>
        readReport({ dataDir, now: deps.clock.now(), beats }),
      )
    }
    await run(options, deps, beats)
  } finally {
    await diagnostics?.close()
    await held.release()
  }
}

async function run(options: StartOptions, deps: StartDeps, beats: BeatRecorder): Promise<void> {
  const { clock, log, say, signal, proxyFor } = deps
  const { dataDir, oneshot } = options
  const publish = await identityServer(options, deps)
  let identity = await loadIdentity(dataDir)
  const former = identity
  if (identity !== undefined && (await hasExpired(identity, options, deps))) {
    identity = await recoverAtStart(identity, options, deps)
    if (identity !== undefined) say(`The certificate had expired; ${describeMember(identity.profile)} has another.`)
  }
  const joins = identity === undefined
  if (identity === undefined) {
    identity = await joinAgain(former, options, deps)
    say(`Joined ${identity.profile.clusterName} as ${describeMember(identity.profile)}.`)
    if (options.tokenIn !== undefined) say(`The token in ${options.tokenIn} is not needed any more; you may remove it.`)
  } else {
    requireSameKind(identity, options)
    warnOfOtherPin(identity, options, deps)
  }
  const facts = nodeFacts(options.facts, identity.profile.facts)
  const authServer = options.authServer ?? identity.profile.authServer
  const profile = { ...identity.profile, facts, authServer }
  if (!isDeepStrictEqual(profile, identity.profile)) {
    identity = { ...identity, profile }
    // A full disk must not keep a node away: the next start, or the next renewal, stores it.
    await writeIdentity(dataDir, identity).catch((error: Error) => {
      log.warn({ err: error }, 'what this node reports about itself could not be stored')
    })
  }

  const tls = new TlsIdentity(tlsMaterial(identity))
  // Each identity is on disk before it is in use. A stop ends what still tries.
  const publishLater = () => void publish().catch(() => {})
  tls.onUpdate(publishLater)
  const { clusterName } = profile
  const connection = connect({
    addresses: [authServer],
    identity: tls,
    service: 'registration-service',
    clusterName,
    proxyFor,
    ...(deps.attemptLimitMs !== undefined && { attemptLimitMs: deps.attemptLimitMs }),
  })
  try {
    if (oneshot) {
      const limitMs = options.joinTimeoutMs
      const fresh = joins ? identity : await renewNow({ dataDir, identity, connection, clock, log }, limitMs, signal)
      await publish()
      const until = utcTime(certificateLife(fresh.chainPem).expiresAt)
      say(`The credentials are in ${dataDir}: key.pem, chain.pem and bundle.pem, good until ${until}.`)
      return
    }
    publishLater()
    await runUntilStopped(
      { identity, facts, dataDir, tls, connection, isBack: !joins, notNeeded: notNeeded(options), beats },
      deps,
    )
  } finally {
    connection.close()
  }
}

function notNeeded({ isInvited, token, tokenIn }: StartOptions): string {
  if (tokenIn !== undefined && token !== undefined) return `the token in ${tokenIn} was not needed; you may remove it`
  return isInvited ? 'the invitation was not needed' : 'no token was needed'
}

/**
 * Joins, in place of an expired identity if there is one. That one goes when the new one is on disk. A bot takes another
 * key, since each key belongs to one instance.
 */
async function joinAgain(
  former: NodeIdentity | undefined,
  options: StartOptions,
  deps: StartDeps,
): Promise<NodeIdentity> {
  const joinOptions = requireJoinOptions(options)
  const isOfBot = former?.profile.botName !== undefined || options.roles?.includes('bot')
  if (former === undefined || !isOfBot) return join(joinOptions, deps)
  return join(joinOptions, deps, 'joinKey').catch(async (error: unknown) => {
    // An earlier attempt, with another token, got its certificate and lost the reply.
    if (!(error instanceof AppError) || error.reason !== 'KEY_USED_BEFORE') throw error
    await forgetJoinKey(options.dataDir)
    return join(joinOptions, deps, 'joinKey')
  })
}

/** The roles of the first start remain in force, but a bot never becomes a node or the reverse. @throws UsageError */
function requireSameKind({ profile }: NodeIdentity, { roles, dataDir }: StartOptions): void {
  const [is, wanted] = profile.botName === undefined ? ['node', 'bot'] : ['bot', 'node']
  if (roles === undefined || roles.includes('bot') === (is === 'bot')) return
  throw new UsageError(`${dataDir} holds the identity of a ${is}; for a ${wanted} choose another --data-dir`)
}

/**
 * Warns if the given pin is not of the cluster that this node belongs to. Only a warning: a unit file may still have the
 * pin of a root that was rotated since.
 */
function warnOfOtherPin(
  { bundlePem, profile }: NodeIdentity,
  { caPins, dataDir }: StartOptions,
  { log }: StartDeps,
): void {
  const roots = dersFromPem(bundlePem).map(spkiPin)
  if (caPins.length === 0 || caPins.some((pin) => roots.includes(pin))) return
  log.warn(
    {},
    `the given CA pin is not of ${profile.clusterName}, to which this node belongs (${roots.join(', ')}); ` +
      `to join another cluster, choose another --data-dir or delete ${dataDir}`,
  )
}
