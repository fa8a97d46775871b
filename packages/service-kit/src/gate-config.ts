import { parseCidrs } from '@muster/domain'
import { DEFAULT_GATE_LIMITS, type GateLimits } from '@muster/rpc/server'
import { z } from 'zod'
import { parsedBy } from './config.ts'

const count = (least: number) => z.coerce.number().int().min(least).max(1_000_000)
const percent = z.coerce.number().min(1).max(100_000)
const milliseconds = z.coerce.number().int().min(100).max(86_400_000)

/** Variables of the gate: what strangers and members together may make one listener hold. */
export function gateFields() {
  return {
    MUSTER_GATE_CONNECTIONS: count(16).default(DEFAULT_GATE_LIMITS.connections),
    MUSTER_GATE_CONNECTIONS_PER_SOURCE: count(1).default(DEFAULT_GATE_LIMITS.connectionsPerSource),
    MUSTER_GATE_STRANGERS_PER_SOURCE: count(1).default(DEFAULT_GATE_LIMITS.strangersPerSource),
    MUSTER_GATE_HANDSHAKES: count(1).default(DEFAULT_GATE_LIMITS.handshakes),
    MUSTER_GATE_HANDSHAKES_PER_SOURCE: count(1).default(DEFAULT_GATE_LIMITS.handshakesPerSource),
    MUSTER_GATE_HANDSHAKE_TIMEOUT_MS: milliseconds.default(DEFAULT_GATE_LIMITS.handshakeTimeoutMs),
    MUSTER_GATE_STRANGER_IDLE_MS: milliseconds.default(DEFAULT_GATE_LIMITS.strangerIdleMs),
    MUSTER_GATE_CPU_PERCENT_PER_SOURCE: percent.default(DEFAULT_GATE_LIMITS.cpuPercentPerSource),
    MUSTER_GATE_HANDSHAKES_CPU_PERCENT: percent.default(DEFAULT_GATE_LIMITS.handshakesCpuPercent),
    MUSTER_GATE_BAD_CERTIFICATES: count(0).default(DEFAULT_GATE_LIMITS.badCertificates),
    MUSTER_GATE_BAR_MS: milliseconds.default(DEFAULT_GATE_LIMITS.barMs),
    MUSTER_PROXY_PROTOCOL_FROM: parsedBy((text) => parseCidrs(text.split(','), 'networks')).default([]),
  }
}

/** The limits that these variables set. */
export function gateLimits(config: z.output<z.ZodObject<ReturnType<typeof gateFields>>>): GateLimits {
  return {
    connections: config.MUSTER_GATE_CONNECTIONS,
    connectionsPerSource: config.MUSTER_GATE_CONNECTIONS_PER_SOURCE,
    strangersPerSource: config.MUSTER_GATE_STRANGERS_PER_SOURCE,
    handshakes: config.MUSTER_GATE_HANDSHAKES,
    handshakesPerSource: config.MUSTER_GATE_HANDSHAKES_PER_SOURCE,
    handshakeTimeoutMs: config.MUSTER_GATE_HANDSHAKE_TIMEOUT_MS,
    strangerIdleMs: config.MUSTER_GATE_STRANGER_IDLE_MS,
    cpuPercentPerSource: config.MUSTER_GATE_CPU_PERCENT_PER_SOURCE,
    handshakesCpuPercent: config.MUSTER_GATE_HANDSHAKES_CPU_PERCENT,
    badCertificates: config.MUSTER_GATE_BAD_CERTIFICATES,
    barMs: config.MUSTER_GATE_BAR_MS,
    proxyProtocolFrom: config.MUSTER_PROXY_PROTOCOL_FROM,
  }
}
