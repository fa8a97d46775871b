import { mkdir } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { AppError } from '@muster/domain'
import { dersFromPem, spkiPin } from '@muster/pki'
import { connect, TlsIdentity } from '@muster/rpc'
import { runTasks, writeIdentity, type Clock, type LineLog } from '@muster/runtime'
import { UsageError } from './exit-status.ts'
import { beat } from './heartbeat.ts'
import { join, requireJoinOptions } from './join.ts'
import { lifeOf, loadIdentity, tlsMaterial, type NodeIdentity } from './node-identity.ts'
import { nodeFacts, type StartOptions } from './options.ts'
import { renew } from './renew.ts'

export interface StartDeps {
  clock: Clock
  log: LineLog
  /** Says something to whoever started the agent. */
  say: (line: string) => void
  signal: AbortSignal
}

/**
 * Runs the agent: joins if this data directory has no identity yet, then beats and renews until the signal aborts.
 * Refusals end it; everything that may pass is waited out.
 */
export async function start(options: StartOptions, deps: StartDeps): Promise<void> {
  const { clock, log, say, signal } = deps
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 }).catch((error: Error) => {
    throw new UsageError(`--data-dir: ${error.message}`)
  })
  let identity = await loadIdentity(options.dataDir)
  let greeting: string | undefined
  if (identity === undefined || isExpired(identity, options, clock)) {
    identity = await join(requireJoinOptions(options), deps)
    say(
      `Joined ${identity.profile.clusterName} as node ${identity.profile.nodeId} (${identity.profile.roles.join(', ')}).`,
    )
  } else {
    warnOfOtherPin(identity, options, log)
    greeting = `Back in ${identity.profile.clusterName} as node ${identity.profile.nodeId}; no token was needed.`
  }
  const facts = nodeFacts(options.facts, identity.profile.facts)
  const authServer = options.authServer ?? identity.profile.authServer
  const profile = { ...identity.profile, facts, authServer }
  if (!isDeepStrictEqual(profile, identity.profile)) {
    identity = { ...identity, profile }
    await writeIdentity(options.dataDir, identity)
  }

  const tls = new TlsIdentity(tlsMaterial(identity))
  const { clusterName } = profile
  const connection = connect({ addresses: [authServer], identity: tls, service: 'registration-service', clusterName })
  let knownBundle = identity.profile.trustBundleVersion
  let urgent = false
  const first = identity
  try {
    await runTasks(
      [
        (group) =>
          beat(
            {
              connection,
              tls,
              facts,
              clock,
              log,
              onAnswer: ({ trustBundleVersion, renewNow }) => {
                // Not before the cluster has answered: until then nobody is back anywhere.
                if (greeting !== undefined) say(greeting)
                greeting = undefined
                urgent = renewNow || trustBundleVersion !== knownBundle
              },
            },
            group,
          ),
        (group) =>
          renew(
            {
              dataDir: options.dataDir,
              identity: first,
              tls,
              connection,
              clock,
              log,
              isUrgent: () => urgent,
              onRenewed: ({ profile }) => {
                knownBundle = profile.trustBundleVersion
                urgent = false
              },
            },
            group,
          ),
      ],
      signal,
    )
  } finally {
    connection.close()
  }
}

/**
 * Says so when the pin that was given is not of the cluster whose identity is here. No more than that: a unit file may
 * still have the pin of a root that has been rotated since.
 */
function warnOfOtherPin({ bundlePem, profile }: NodeIdentity, { caPins, dataDir }: StartOptions, log: LineLog): void {
  const roots = dersFromPem(bundlePem).map(spkiPin)
  if (caPins.length === 0 || caPins.some((pin) => roots.includes(pin))) return
  log.warn(
    {},
    `--ca-pin is not of ${profile.clusterName}, whose node this is (${roots.join(', ')}); ` +
      `to join another cluster, choose another --data-dir or delete ${dataDir}`,
  )
}

/** An identity whose certificate has ended is of no use: with a token the node joins anew, without one this is the end. */
function isExpired(identity: NodeIdentity, options: StartOptions, clock: Clock): boolean {
  const { expiresAt } = lifeOf(identity)
  if (expiresAt > clock.now()) return false
  if (options.token !== undefined) return true
  throw new AppError('unauthenticated', `this node's certificate ended at ${expiresAt.toISOString()}`, {
    reason: 'CERTIFICATE_EXPIRED',
  })
}
