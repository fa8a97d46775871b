import type { Attack } from './attack.ts'
import { anonymousCalls } from './calls/anonymous-calls.ts'
import { compressedBombs } from './calls/compressed-bombs.ts'
import { guesses } from './calls/guesses.ts'
import { hardRequests } from './calls/hard-requests.ts'
import { oneCallEach } from './calls/one-call-each.ts'
import { refusedTokens } from './calls/refused-tokens.ts'
import { repeatedJoin } from './calls/repeated-join.ts'
import { connectAndReset } from './connections/connect-and-reset.ts'
import { fewDescriptors } from './connections/few-descriptors.ts'
import { halfAHelloFromMany } from './connections/half-a-hello-from-many.ts'
import { helloThenStall } from './connections/hello-then-stall.ts'
import { idleTcp } from './connections/idle-tcp.ts'
import { idleTls } from './connections/idle-tls.ts'
import { silentFromMany } from './connections/silent-from-many.ts'
import { binaryCurveChain, garbageChain, longChain, shortChain } from './handshakes/chains.ts'
import { ffdhe } from './handshakes/ffdhe.ts'
import { garbageCertificateVerify } from './handshakes/garbage-certificate-verify.ts'
import { halfAHello } from './handshakes/half-a-hello.ts'
import { handshakesFromMany } from './handshakes/handshakes-from-many.ts'
import { helloAndReset } from './handshakes/hello-and-reset.ts'
import { keyUpdate } from './handshakes/key-update.ts'
import { manyNames } from './handshakes/many-names.ts'
import { noTls } from './handshakes/no-tls.ts'
import { plainHandshakes } from './handshakes/plain-handshakes.ts'
import { tinyRecords } from './handshakes/tiny-records.ts'
import { tls12 } from './handshakes/tls12.ts'
import * as floods from './http2/frame-floods.ts'
import { healthWatches } from './http2/health-watches.ts'
import { partialMessages } from './http2/partial-messages.ts'
import { slowReader } from './http2/slow-reader.ts'
import { beatFlood } from './members/beat-flood.ts'
import { forbiddenCalls } from './members/forbidden-calls.ts'
import { heartbeatStreams } from './members/heartbeat-streams.ts'
import { helloFlood } from './members/hello-flood.ts'
import { memberConnections } from './members/member-connections.ts'
import { renewals } from './members/renewals.ts'
import { pipelinedDownloads } from './web/pipelined-downloads.ts'

/** Every attack, in the order in which they run. */
export const ATTACKS: readonly Attack[] = [
  // Before a connection is anything.
  idleTcp,
  silentFromMany,
  halfAHelloFromMany,
  helloThenStall,
  connectAndReset,
  halfAHello,
  noTls,
  // In the handshake.
  ffdhe,
  tls12,
  longChain,
  garbageChain,
  binaryCurveChain,
  shortChain,
  garbageCertificateVerify,
  helloAndReset,
  plainHandshakes,
  handshakesFromMany,
  manyNames,
  // On a stranger's connection.
  idleTls,
  keyUpdate,
  tinyRecords,
  floods.pingFlood,
  floods.settingsFlood,
  floods.windowFlood,
  floods.priorityFlood,
  floods.rapidReset,
  floods.emptyData,
  floods.continuationFlood,
  floods.hugeMetadata,
  floods.manyHeaders,
  healthWatches,
  partialMessages,
  slowReader,
  // By calls that are open to anyone.
  anonymousCalls,
  oneCallEach,
  hardRequests,
  compressedBombs,
  refusedTokens,
  guesses,
  repeatedJoin,
  // By a member.
  heartbeatStreams,
  memberConnections,
  beatFlood,
  helloFlood,
  renewals,
  forbiddenCalls,
  // On the web face.
  pipelinedDownloads,
  // Last, because it has other honest callers.
  fewDescriptors,
]
