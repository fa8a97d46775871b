import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type Clock, type LineLog, VERSION } from '@muster/runtime'
import type { ClusterVersions } from './version-advice.ts'

/** What an agent has last heard of its cluster. */
export interface BeatRecord {
  lastBeatAt?: Date | undefined
  /** The cluster counts a node as offline after a silence of this length. */
  offlineAfterMs: number
  /** Why no beat is answered. */
  trouble?: { since: Date; message: string } | undefined
  /** What the cluster said about versions, and the version of the agent that it said it to. */
  versions?: (ClusterVersions & { agentVersion: string }) | undefined
}

/** The record on disk is at most this much older than the last beat, which spares the disk of a machine. */
export const RECORD_EVERY_MS = 30_000

const FILE = 'status.json'
const DEFAULT_OFFLINE_AFTER_MS = 15_000

/** Keeps the record of an agent that runs, in memory and on disk. A record that cannot be written does not stop the agent. */
export class BeatRecorder {
  readonly #file: string
  readonly #clock: Clock
  readonly #log: LineLog
  #record: BeatRecord = { offlineAfterMs: DEFAULT_OFFLINE_AFTER_MS }
  #writtenAt = -Infinity
  #failed = false

  constructor(dataDir: string, { clock, log }: { clock: Clock; log: LineLog }) {
    this.#file = path.join(dataDir, FILE)
    this.#clock = clock
    this.#log = log
  }

  /** The record as it is now. */
  get record(): Readonly<BeatRecord> {
    return this.#record
  }

  /** Records that the cluster has answered. */
  beat(offlineAfterMs = DEFAULT_OFFLINE_AFTER_MS): void {
    const now = this.#clock.now()
    const isDue = this.#record.trouble !== undefined || this.#clock.elapsedMs() - this.#writtenAt >= RECORD_EVERY_MS
    this.#record = { lastBeatAt: now, offlineAfterMs, versions: this.#record.versions }
    if (isDue) this.#write()
  }

  /** Records what the cluster says about versions. @returns false if it has said so before */
  versions({ serverVersion, minimumAgentVersion }: ClusterVersions): boolean {
    const versions = { agentVersion: VERSION, serverVersion, minimumAgentVersion }
    if (isDeepStrictEqual(versions, this.#record.versions)) return false
    this.#record = { ...this.#record, versions }
    this.#write()
    return true
  }

  /** Records why no beat is answered; the next beat ends it. */
  trouble(message: string): void {
    const since = this.#record.trouble?.since ?? this.#clock.now()
    this.#record = { ...this.#record, trouble: { since, message } }
    this.#write()
  }

  #write(): void {
    this.#writtenAt = this.#clock.elapsedMs()
    try {
      writeFileSync(`${this.#file}.tmp`, `${JSON.stringify(this.#record)}\n`, { mode: 0o644 })
      renameSync(`${this.#file}.tmp`, this.#file)
      this.#failed = false
    } catch (error) {
      if (!this.#failed) this.#log.warn({ err: error }, `cannot record the last heartbeat in ${this.#file}`)
      this.#failed = true
    }
  }
}

/** The record that the last agent left in its data directory; undefined if there is none that can be read. */
export function readBeatRecord(dataDir: string): BeatRecord | undefined {
  try {
    const { lastBeatAt, offlineAfterMs, trouble, versions } = JSON.parse(
      readFileSync(path.join(dataDir, FILE), 'utf8'),
    ) as {
      lastBeatAt?: string
      offlineAfterMs?: number
      trouble?: { since: string; message: string }
      versions?: BeatRecord['versions']
    }
    return {
      lastBeatAt: lastBeatAt === undefined ? undefined : new Date(lastBeatAt),
      offlineAfterMs: offlineAfterMs ?? DEFAULT_OFFLINE_AFTER_MS,
      trouble: trouble && { since: new Date(trouble.since), message: trouble.message },
      versions,
    }
  } catch {
    return undefined
  }
}
