/** What strangers and members together may make one listener hold, and who may vouch for their addresses. Counts are connections; times are milliseconds. */
export interface GateLimits {
  /** Connections in all. */
  connections: number
  /** Connections of one source, members and strangers together. */
  connectionsPerSource: number
  /** Connections of one source whose peer showed no certificate that verifies. */
  strangersPerSource: number
  /** TLS handshakes under way in all. More wait their turn, and sources take turns. */
  handshakes: number
  /** TLS handshakes under way of one source. */
  handshakesPerSource: number
  /** How long a handshake may take, its wait for a turn included. */
  handshakeTimeoutMs: number
  /** A stranger's connection without a call ends after this long. */
  strangerIdleMs: number
  /** The CPU time that the strangers of one source may use, in percent of a core; a node or a bot may use as much. */
  cpuPercentPerSource: number
  /** The CPU time that the handshakes of all strangers may use, in percent of a core. */
  handshakesCpuPercent: number
  /** How many certificates that do not verify a source may show before it is barred; they are forgotten after `barMs`. */
  badCertificates: number
  /** How long a source stays barred. */
  barMs: number
  /** From these networks, in CIDR notation, come balancers alone: each connection begins with a PROXY header. */
  proxyProtocolFrom: readonly string[]
}

/** Suits 10,000 nodes behind one address. */
export const DEFAULT_GATE_LIMITS: GateLimits = {
  connections: 50_000,
  connectionsPerSource: 20_000,
  strangersPerSource: 2_048,
  handshakes: 512,
  handshakesPerSource: 128,
  handshakeTimeoutMs: 10_000,
  strangerIdleMs: 20_000,
  cpuPercentPerSource: 5,
  handshakesCpuPercent: 50,
  badCertificates: 5,
  barMs: 5 * 60_000,
  proxyProtocolFrom: [],
}

/** Descriptors kept for the stores, other services, files and the diagnostics address. */
const RESERVED_DESCRIPTORS = 128

let thatFit: number | undefined

/** How many connections fit below the process's limit on open files. Unlimited where the system does not say. */
export function connectionsThatFit(): number {
  // A report takes 20 ms, and the limit of a process stays as it is.
  thatFit ??= readConnectionsThatFit()
  return thatFit
}

function readConnectionsThatFit(): number {
  const report = process.report?.getReport() as { userLimits?: { open_files?: { soft: number | string } } } | undefined
  const soft = Number(report?.userLimits?.open_files?.soft)
  return Number.isFinite(soft) && soft > 0 ? Math.max(64, soft - RESERVED_DESCRIPTORS) : Number.POSITIVE_INFINITY
}
