import { registration } from '@muster/contracts'

// The echo contract of the bare servers: messages of the size that the real ones have, as plain bytes.

/** As long as what Register answers: two certificates, a trust bundle of two roots, an id, settings. */
export const UNARY_REPLY = Buffer.alloc(2_160, 1)
/** As long as a Register request: token, certificate request, names. */
export const UNARY_REQUEST = Buffer.alloc(300, 1)

/** What a beat and its answer are on the wire. */
export const HEARTBEAT_REQUEST = Buffer.from(
  registration.HeartbeatRequest.encode({ message: { $case: 'beat', value: {} } }).finish(),
)
export const HEARTBEAT_REPLY = Buffer.from(
  registration.HeartbeatResponse.encode({
    settings: { intervalMs: 5_000, offlineAfterMs: 15_000 },
    trustBundleVersion: 2,
    renewNow: false,
  }).finish(),
)

const same = (bytes: Buffer) => bytes
const codec = {
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
}

export const floorService = {
  unary: { path: '/floor.Echo/Unary', requestStream: false, responseStream: false, ...codec },
  heartbeat: { path: '/floor.Echo/Heartbeat', requestStream: true, responseStream: true, ...codec },
} as const
