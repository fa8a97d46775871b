import type { registration } from '@muster/contracts'
import { type AppError, invalid, parseAdvertisedAddress, parseHostname, parseLabels, parseNodeId } from '@muster/domain'
import { keyFingerprint } from '@muster/pki'
import { type CallContext, type DuplexHandler, memberOf } from '@muster/rpc'
import { isOlderVersion, VERSION } from '@muster/runtime'
import { banned } from '../bans/ban-errors.ts'
import { overtaken, superseded } from '../clones/clone-errors.ts'
import { reportOlder } from '../clones/report-clone.ts'
import type { Deps } from '../deps.ts'
import { wantedTrust } from '../trust/wanted-trust.ts'
import { parseVersion } from './join-request.ts'
import { unknownNode } from './node-errors.ts'
import { assess, type Assessment } from './store/renewal.ts'
import { type HelloFacts, type Presented, recordHello } from './store/sightings.ts'

/**
 * Serves a node's heartbeat: a hello, then beats until either side ends the stream. The hello costs one SQL statement; a
 * beat costs a share of a Redis command and no SQL. Each reply says how often to send beats. The stream ends when the node is
 * removed from the roll or banned. A node that half-closes the stream still gets the reply to its hello, or the refusal.
 */
export function heartbeat(deps: Deps): DuplexHandler<registration.HeartbeatRequest, registration.HeartbeatResponse> {
  return (stream, context) => {
    const nodeId = parseNodeId(memberOf(context.peer).name)
    // The offline limit follows from the interval that the node was told last, not from the one in the next reply.
    let toldIntervalMs = deps.pace.intervalMs
    let greeting: Promise<Presented> | undefined
    let presented: Presented = { authorityNumber: undefined }
    let isKnown = false
    let leave = () => {}
    const watched = deps.twins.add({
      nodeId,
      actor: memberOf(context.peer).spiffeId,
      remoteAddress: context.remoteAddress,
    })

    const answer = (versions: Partial<registration.HeartbeatResponse> = {}) => {
      deps.presence.beat(nodeId, deps.pace.offlineAfterMs(toldIntervalMs))
      toldIntervalMs = deps.pace.intervalMs
      stream.send({ ...reply(deps, toldIntervalMs, presented), ...versions })
    }
    return new Promise((resolve, reject) => {
      const end = () => {
        leave()
        watched.leave()
        resolve()
      }
      context.signal.addEventListener('abort', end, { once: true })
      stream.onEnd(() => {
        if (greeting === undefined) end()
        // A refused greeting has rejected already.
        else greeting.then(end, () => {})
      })
      stream.onMessage(({ message }) => {
        if (message?.$case === 'hello') {
          if (greeting !== undefined) throw invalid('message', 'only the first message may be a hello')
          leave = deps.streams.add(nodeId, reject)
          greeting = greet(deps, nodeId, message.value, context)
          greeting.then((found) => {
            presented = found
            isKnown = true
            watched.greeted()
            answer({ serverVersion: VERSION, minimumAgentVersion: deps.minimumAgentVersion })
          }, reject)
        } else if (message?.$case === 'beat' && greeting !== undefined) {
          // Ignore beats until the roll has confirmed the node: the reply to the hello is on its way.
          if (!isKnown) return
          watched.beat(toldIntervalMs)
          answer()
        } else {
          throw invalid('message', 'the first message must be a hello, all others beats')
        }
      })
    })
  }
}

function reply(
  { pace, identity }: Deps,
  intervalMs: number,
  { authorityNumber }: Presented,
): registration.HeartbeatResponse {
  const wanted = wantedTrust(identity)
  const renewNow = wanted !== undefined && authorityNumber !== wanted.authorityNumber
  return {
    settings: { intervalMs, offlineAfterMs: pace.offlineAfterMs(intervalMs) },
    trustBundleVersion: identity.trustBundle().version,
    renewNow,
    ...(renewNow && { renewWithinMs: pace.renewWithinMs }),
  }
}

async function greet(deps: Deps, id: string, hello: registration.Hello, context: CallContext): Promise<Presented> {
  const hostname = parseHostname(hello.hostname)
  const facts: HelloFacts = {
    id,
    keyFingerprint: keyFingerprint(memberOf(context.peer).publicKeyDer),
    hostname,
    labels: parseLabels(hello.labels),
    version: parseVersion(hello.version),
    advertisedAddress: parseAdvertisedAddress(hello.advertisedAddress),
    remoteAddress: context.remoteAddress,
    os: parseOs(hello.os),
    serial: memberOf(context.peer).serial,
    trustVersion: hello.trustBundleVersion,
    isStored: hello.certificateUnstored !== true,
  }
  const presented = (await recordHello(deps.pool, facts)) ?? (await refuse(deps, facts, context))
  const outdated = isOlderVersion(facts.version, deps.minimumAgentVersion)
  context.log.info({ event: 'node.hello', nodeId: id, version: facts.version, outdated }, 'a node said hello')
  return presented
}

/** Throws why a hello is refused; returns if the policy is to serve it nevertheless. */
async function refuse(
  deps: Deps,
  { id: nodeId, hostname, ...facts }: HelloFacts,
  context: CallContext,
): Promise<Presented> {
  const { spiffeId: actor } = memberOf(context.peer)
  const found = await assess(deps.pool, { id: nodeId, ...facts })
  const isCopy = found.standing === 'known' && found.isOlder && !found.isOvertaken
  if (isCopy) await reportOlder(deps, found, { id: nodeId, actor, shownSerial: facts.serial }, context)
  if (isCopy && deps.clonePolicy === 'warn') return { authorityNumber: undefined }
  const error = whyRefused(found)
  const { remoteAddress } = context
  const { reason = error.kind } = error
  await deps.refusals.record({ action: 'node.hello', actor, remoteAddress, reason, nodeId, details: { hostname } })
  throw error
}

function whyRefused(found: Assessment): AppError {
  if (found.standing === 'banned') return banned('node', found.ban)
  if (found.standing !== 'known') return unknownNode()
  return found.isOlder && !found.isOvertaken ? superseded() : overtaken()
}

function parseOs(value: string): string {
  if (!/^[\x20-\x7e]{0,128}$/.test(value)) throw invalid('os', 'must be at most 128 characters of printable ASCII')
  return value
}
