import { certificateLife, type NodeFacts, type NodeIdentity, Urgency } from '@muster/identity'
import type { Connection, ProxyFor, TlsIdentity } from '@muster/rpc'
import { type Clock, type LineLog, runTasks, type Task, VERSION } from '@muster/runtime'
import { followBundle } from './follow-bundle.ts'
import { FollowRotation } from './follow-rotation.ts'
import { sendHeartbeats } from './heartbeat.ts'
import { describeMember } from '../join/node-identity.ts'
import { recover } from '../join/recover.ts'
import { renew } from './renew.ts'
import { Renewer } from './renewer.ts'
import type { BeatRecorder } from '../status/beat-recorder.ts'
import { versionAdvice } from '../status/version-advice.ts'
import { explain } from '../exit-status.ts'
import type { Notifier } from '../systemd/notifier.ts'

/** What `muster start` needs from its caller. */
export interface StartDeps {
  clock: Clock
  log: LineLog
  /** Prints a line for the user who started the agent. */
  say: (line: string) => void
  signal: AbortSignal
  /** The proxy for an address, if there is one. */
  proxyFor: ProxyFor
  /** The longest time for one attempt to connect; by default 10 s. */
  attemptLimitMs?: number
  notifier: Notifier
}

/** A node or bot that has joined: its identity, its connection, and what it reports. */
export interface JoinedMember {
  identity: NodeIdentity
  facts: NodeFacts
  dataDir: string
  tls: TlsIdentity
  connection: Connection
  /** An earlier run joined. The user is told so after the first answer of the cluster. */
  isBack: boolean
  /** Says of what a join needs that it was not needed. */
  notNeeded: string
  /** Records each beat. */
  beats: BeatRecorder
}

/** Sends heartbeats and renews the certificate until the signal aborts. A bot only renews. */
export async function runUntilStopped(
  { identity, facts, dataDir, tls, connection, isBack, notNeeded, beats }: JoinedMember,
  { clock, log, say, signal, notifier, proxyFor }: StartDeps,
): Promise<void> {
  const { clusterName, botName } = identity.profile
  const greet = once(() => {
    if (isBack) say(`Back in ${clusterName} as ${describeMember(identity.profile)}; ${notNeeded}.`)
  })
  const who = `${describeMember(identity.profile)} of ${clusterName}`
  notifier.ready()
  notifier.status(who)
  const { authServer } = identity.profile
  const renewer = new Renewer({
    dataDir,
    identity,
    connection,
    clock,
    recover: (former, call) => recover(former, { authServer, proxyFor }, call),
  })
  const urgency = new Urgency()
  // A bot renews at once when it returns: an interrupted renewal may have left it a generation behind, and it should
  // learn early that it was locked.
  let isStored = true
  if (botName !== undefined && isBack) urgency.raise()
  const rotation = new FollowRotation({ renewer, tls, connection, urgency, clock, log, signal })
  const heartbeats: Task = (group) =>
    sendHeartbeats(
      {
        connection,
        tls,
        facts,
        isStored: () => isStored,
        trustBundleVersion: () => renewer.inUse.profile.trustBundleVersion,
        isExpired: () => certificateLife(renewer.inUse.chainPem).expiresAt <= clock.now(),
        clock,
        log,
        onAway: (error) => {
          const trouble = explain(error)
          beats.trouble(trouble)
          notifier.status(`${who}; the cluster cannot be reached: ${trouble}`)
        },
        onAnswer: ({ settings, trustBundleVersion, renewNow, renewWithinMs, ...versions }) => {
          greet()
          notifier.status(`${who}; online`)
          beats.beat(settings?.offlineAfterMs)
          const says = versions.serverVersion ?? versions.minimumAgentVersion
          if (says !== undefined && beats.versions(versions)) {
            for (const advice of versionAdvice(VERSION, versions)) log.warn({}, advice)
          }
          rotation.heard({ trustBundleVersion, renewNow, renewWithinMs })
        },
      },
      group,
    )
  const renewals: Task = (group) =>
    renew(
      {
        renewer,
        tls,
        clock,
        log,
        urgency,
        onStored: (stored) => (isStored = stored),
        onRenewed: greet,
      },
      group,
    )
  try {
    const bundle: Task = (group) => followBundle({ renewer, connection, rotation, clock }, group)
    await runTasks(botName === undefined ? [heartbeats, renewals] : [bundle, renewals], signal)
  } catch (error) {
    if (!signal.aborted) beats.trouble(explain(error))
    throw error
  }
}

function once(action: () => void): () => void {
  let done = false
  return () => {
    if (!done) action()
    done = true
  }
}
