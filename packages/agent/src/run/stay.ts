import type { NodeFacts, NodeIdentity } from '@muster/identity'
import type { Connection, TlsIdentity } from '@muster/rpc'
import { type Clock, type LineLog, runTasks, type Task } from '@muster/runtime'
import { beat } from './heartbeat.ts'
import { describeMember } from '../join/node-identity.ts'
import { renew } from './renew.ts'

/** What `muster start` needs from its caller. */
export interface StartDeps {
  clock: Clock
  log: LineLog
  /** Says something to whoever started the agent. */
  say: (line: string) => void
  signal: AbortSignal
}

/** A node that has joined: its identity, its connection, and what it reports. */
export interface Stay {
  identity: NodeIdentity
  facts: NodeFacts
  dataDir: string
  tls: TlsIdentity
  connection: Connection
  /** Was here before, so people are told once the cluster has answered. */
  isBack: boolean
  /** Was given an invitation. */
  isInvited: boolean
}

/** The agent's life once it has an identity: beats and renews until the signal aborts; a bot only renews. */
export async function stay(
  { identity, facts, dataDir, tls, connection, isBack, isInvited }: Stay,
  { clock, log, say, signal }: StartDeps,
): Promise<void> {
  const { clusterName, botName, trustBundleVersion: firstBundle } = identity.profile
  const greet = once(() => {
    const notNeeded = isInvited ? 'the invitation was not needed' : 'no token was needed'
    if (isBack) say(`Back in ${clusterName} as ${describeMember(identity.profile)}; ${notNeeded}.`)
  })
  let knownBundle = firstBundle
  // A bot that was interrupted while it renewed may be a generation behind, and one that comes back hears of a lock at once.
  let urgent = botName !== undefined && isBack
  const beating: Task = (group) =>
    beat(
      {
        connection,
        tls,
        facts,
        clock,
        log,
        onAnswer: ({ trustBundleVersion, renewNow: now }) => {
          greet()
          urgent = now || trustBundleVersion !== knownBundle
        },
      },
      group,
    )
  const renewing: Task = (group) =>
    renew(
      {
        dataDir,
        identity,
        tls,
        connection,
        clock,
        log,
        isUrgent: () => urgent,
        onRenewed: ({ profile }) => {
          greet()
          knownBundle = profile.trustBundleVersion
          urgent = false
        },
      },
      group,
    )
  await runTasks(botName === undefined ? [beating, renewing] : [renewing], signal)
}

function once(action: () => void): () => void {
  let done = false
  return () => {
    if (!done) action()
    done = true
  }
}
