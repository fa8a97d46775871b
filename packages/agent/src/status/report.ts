import { readFileSync } from 'node:fs'
import path from 'node:path'
import { CliError } from '@muster/cli-kit'
import { utcTime } from '@muster/cli-kit/print'
import { certificateLife, checkFile, type CertificateLife, IDENTITY_FILES, type NodeProfile } from '@muster/identity'
import { holderOf } from '@muster/processes'
import { VERSION, whyUnreadable, withFileSync } from '@muster/runtime'
import { type ClusterVersions, versionAdvice } from './version-advice.ts'
import { notJoined } from './not-joined.ts'
import { type BeatRecord, type BeatRecorder, readBeatRecord, RECORD_EVERY_MS } from './beat-recorder.ts'

/** The file that an agent holds while it uses a data directory. */
export const LOCK_FILE = 'agent.lock'

/** The state of this machine as a member of a cluster. */
export interface Report {
  dataDir: string
  /** Undefined until it has joined. */
  profile: NodeProfile | undefined
  certificate: CertificateLife | undefined
  /** The process of the agent that runs. */
  pid: number | undefined
  lastBeatAt: Date | undefined
  /** What is wrong, in sentences; empty if all is well. */
  problems: string[]
  /** What the cluster said last about versions. */
  versions: ClusterVersions
  /** What a person should see to although all works, in sentences. */
  warnings: string[]
}

/** Where a report comes from. */
export interface ReportSource {
  dataDir: string
  now: Date
  /** Of the agent that asks; absent: the record on disk. */
  beats?: Pick<BeatRecorder, 'record'>
}

/** Reads the state of a member from its data directory. Changes nothing. @throws CliError if it cannot be read */
export async function readReport({ dataDir, now, beats }: ReportSource): Promise<Report> {
  const profileText = readIfPresent(path.join(dataDir, IDENTITY_FILES.profile))
  const pid = await holderOf(path.join(dataDir, LOCK_FILE)).catch(() => undefined)
  const record = beats?.record ?? readBeatRecord(dataDir)
  const { lastBeatAt } = record ?? {}
  const { versions = {} } = record ?? {}
  const report = { dataDir, pid, lastBeatAt, versions, warnings: versionWarnings(pid, record) }
  const trouble =
    record?.trouble === undefined ? [] : [`since ${utcTime(record.trouble.since)}: ${record.trouble.message}`]
  if (profileText === undefined) {
    const problems = [notJoined(dataDir), ...trouble]
    return { ...report, profile: undefined, certificate: undefined, problems }
  }
  const { profile, certificate } = parseIdentity(profileText, dataDir)
  const problems = [
    ...certificateProblems(certificate, now),
    ...(profile.botName === undefined ? beatProblems(pid, record, now, beats === undefined ? RECORD_EVERY_MS : 0) : []),
    ...trouble,
  ]
  return { ...report, profile, certificate, problems }
}

/** The roots that the machine trusts, PEM; undefined before it has joined. @throws CliError if they cannot be read */
export function readBundle(dataDir: string): string | undefined {
  return readIfPresent(path.join(dataDir, IDENTITY_FILES.bundle))
}

/** A report in JSON; a stable interface. */
export function reportJson({
  dataDir,
  profile,
  certificate,
  pid,
  lastBeatAt,
  problems,
  versions,
  warnings,
}: Report): object {
  return {
    joined: profile !== undefined,
    ok: problems.length === 0,
    cluster_name: profile?.clusterName ?? null,
    node_id: profile?.nodeId ?? null,
    bot_name: profile?.botName ?? null,
    hostname: profile?.facts?.hostname ?? null,
    roles: profile?.roles ?? [],
    auth_server: profile?.authServer ?? null,
    certificate_expires_at: certificate?.expiresAt ?? null,
    last_beat_at: lastBeatAt ?? null,
    trust_bundle_version: profile?.trustBundleVersion ?? null,
    agent_pid: pid ?? null,
    data_dir: dataDir,
    version: VERSION,
    server_version: versions.serverVersion ?? null,
    minimum_agent_version: versions.minimumAgentVersion ?? null,
    problems,
    warnings,
  }
}

function parseIdentity(profileText: string, dataDir: string): { profile: NodeProfile; certificate: CertificateLife } {
  try {
    checkFile('profile', path.join(dataDir, IDENTITY_FILES.profile), profileText)
    const file = path.join(dataDir, IDENTITY_FILES.chain)
    const chainPem = withFileSync('read', file, () => readFileSync(file, 'utf8'))
    checkFile('chain', file, chainPem)
    return { profile: JSON.parse(profileText) as NodeProfile, certificate: certificateLife(chainPem) }
  } catch (error) {
    throw new CliError(`the identity in ${dataDir} is damaged: ${(error as Error).message}`, undefined, error)
  }
}

/** Renewals are due at 80 % of a certificate's life at the latest. */
const OVERDUE = 0.9

function certificateProblems({ issuedAt, expiresAt }: CertificateLife, now: Date): string[] {
  if (expiresAt <= now)
    return [
      `the certificate expired at ${utcTime(expiresAt)}; 'muster start' recovers a node, or join again with a token`,
    ]
  const overdueAt = issuedAt.getTime() + OVERDUE * (expiresAt.getTime() - issuedAt.getTime())
  if (now.getTime() < overdueAt) return []
  return [`the certificate should have been renewed by now; it expires at ${utcTime(expiresAt)}`]
}

function beatProblems(pid: number | undefined, record: BeatRecord | undefined, now: Date, slackMs: number): string[] {
  if (pid === undefined) return ["no agent runs here, so this node is offline; 'muster start' starts one"]
  if (record?.trouble !== undefined) return []
  if (record?.lastBeatAt === undefined) return ['the cluster has not answered a heartbeat yet']
  const silentMs = now.getTime() - record.lastBeatAt.getTime()
  if (silentMs <= record.offlineAfterMs + slackMs) return []
  return [`the cluster has answered no heartbeat since ${utcTime(record.lastBeatAt)}`]
}

function versionWarnings(pid: number | undefined, { versions }: Partial<BeatRecord> = {}): string[] {
  if (versions === undefined) return []
  if (pid === undefined) return versionAdvice(VERSION, versions)
  const other = `the agent that runs has version ${versions.agentVersion}, and this program ${VERSION}; restart the agent`
  return versions.agentVersion === VERSION ? versionAdvice(VERSION, versions) : [other]
}

function readIfPresent(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new CliError(`the identity cannot be read: ${whyUnreadable(file, error)}`, 'Run it as the user of the agent.')
  }
}
