import { CliError, type Io } from '@muster/cli-kit'
import { timeAgo, utcTime } from '@muster/cli-kit/print'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { BREAK_GLASS, CERTIFICATE_BACKDATE_MS, messageOf, parseSpiffeId } from '@muster/domain'
import { IDENTITY_FILES, type IdentityFolder, type OperatorProfile, readIdentity } from '@muster/identity'
import { howToRenew } from '../cli/errors.ts'

/** An operator's identity, whole. Its certificate may have ended. */
export interface OperatorIdentity extends IdentityFolder<OperatorProfile> {
  /** The folder as it was found. */
  dir: string
  /** The folder that the files are in, links followed: a login meanwhile does not change what is there. */
  realDir: string
  /** How it was found, as a person would say it. */
  foundBy: string
  /** The operator's name. */
  name: string
  /** viewer, operator, admin. */
  roles: string[]
  /** Made by `ca-service issue-admin`: no person of the cluster. */
  isBreakGlass: boolean
  issuedAt: Date
  startsAt: Date
  expiresAt: Date
  /** When the certificate can be renewed no more; undefined if it is not renewed at all. */
  sessionExpiresAt: Date | undefined
}

/** Makes sure that the identity is good now, or can be made so by its key. Warns if others can read the key. @throws CliError that says what to do */
export async function assertUsable(
  identity: OperatorIdentity,
  { io, now }: { io: Pick<Io, 'stderr'>; now: () => Date },
): Promise<void> {
  assertInDate(identity, now())
  await warnOfOpenKey(identity.dir, io)
}

type Times = Pick<OperatorIdentity, 'expiresAt' | 'sessionExpiresAt'>

/** A certificate that ends this close to the session's end cannot be prolonged. */
const SESSION_MARGIN_MS = 1_000

/** Whether there is a session that outlasts the certificate, so that a renewal gives a later end. */
export function canProlong({ expiresAt, sessionExpiresAt }: Times): boolean {
  return sessionExpiresAt !== undefined && sessionExpiresAt.getTime() - expiresAt.getTime() > SESSION_MARGIN_MS
}

/** Whether the certificate has ended, or does so within the margin, and the session gives another. */
export function mustComeBack(times: Times, now: Date, marginMs = 0): boolean {
  const { expiresAt, sessionExpiresAt } = times
  return expiresAt.getTime() - now.getTime() <= marginMs && canProlong(times) && sessionExpiresAt! > now
}

/** Whether the identity is of no use any more: the session is over, or without one the certificate has ended. */
export function isOver(times: Times, now: Date): boolean {
  return times.expiresAt <= now && !mustComeBack(times, now)
}

function assertInDate(identity: OperatorIdentity, now: Date): void {
  const { name, dir, profile, expiresAt, startsAt, sessionExpiresAt } = identity
  if (isOver(identity, now)) {
    const what = sessionExpiresAt === undefined ? 'certificate' : 'session'
    const end = sessionExpiresAt ?? expiresAt
    throw new CliError(
      `the ${what} of ${name} in ${dir} expired ${timeAgo(end, now)} (${utcTime(end)})`,
      howToRenew(profile),
    )
  }
  if (startsAt > now) {
    throw new CliError(
      `the certificate of ${name} in ${dir} is not valid before ${utcTime(startsAt)}`,
      "Check this machine's clock.",
    )
  }
}

/** The identity in a folder, or undefined if there is none. @throws CliError for one that is damaged */
export async function readOperator(dir: string, foundBy: string): Promise<OperatorIdentity | undefined> {
  const realDir = await followed(dir)
  let folder: IdentityFolder<OperatorProfile> | undefined
  try {
    folder = await readIdentity<OperatorProfile>(realDir)
  } catch (error) {
    // A file on the way where a folder should be: nothing is there.
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined
    // A login has put another folder there just now.
    if ((await followed(dir)) !== realDir) return readOperator(dir, foundBy)
    throw new CliError(messageOf(error), howToRenew(), error)
  }
  return folder && { ...folder, ...describeIdentity(dir, folder), dir, realDir, foundBy }
}

async function followed(dir: string): Promise<string> {
  return realpath(dir).catch(() => dir)
}

/** What the certificate of an identity says. @throws CliError for an identity that is damaged */
export function describeIdentity(dir: string, { profile, chainPem, keyPem }: IdentityFolder<OperatorProfile>) {
  checkProfile(dir, profile)
  const certificate = readLeaf(dir, chainPem)
  checkKey(dir, certificate, keyPem)
  const roles = [...certificate.subject.matchAll(/^O=(.*)$/gm)].map(([, role]) => role!)
  const startsAt = new Date(certificate.validFrom)
  return {
    name: nameIn(certificate),
    roles: roles.filter((role) => role !== BREAK_GLASS),
    isBreakGlass: roles.includes(BREAK_GLASS),
    startsAt,
    issuedAt: new Date(startsAt.getTime() + CERTIFICATE_BACKDATE_MS),
    expiresAt: new Date(certificate.validTo),
    sessionExpiresAt: profile.sessionExpiresAt === undefined ? undefined : new Date(profile.sessionExpiresAt),
  }
}

function checkProfile(dir: string, profile: Partial<OperatorProfile> | null): void {
  const { registration, token, ca } = profile?.addresses ?? {}
  const texts = [profile?.clusterName, profile?.publicAddress, registration, token, ca]
  const session = profile?.sessionExpiresAt
  const isWhole = texts.every((text) => typeof text === 'string' && text !== '')
  if (isWhole && (session === undefined || !Number.isNaN(Date.parse(session)))) return
  throw new CliError(`${dir}/${IDENTITY_FILES.profile} lacks the cluster's name or addresses`, howToRenew())
}

function readLeaf(dir: string, chainPem: string): X509Certificate {
  try {
    return new X509Certificate(chainPem)
  } catch (error) {
    throw new CliError(`${dir}/${IDENTITY_FILES.chain} holds no certificate`, howToRenew(), error)
  }
}

function checkKey(dir: string, certificate: X509Certificate, keyPem: string): void {
  try {
    if (certificate.checkPrivateKey(createPrivateKey(keyPem))) return
  } catch {
    // The reason could repeat what stands in the file.
  }
  throw new CliError(`${dir}/${IDENTITY_FILES.key} is not the key of the certificate beside it`, howToRenew())
}

function nameIn(certificate: X509Certificate): string {
  const uri = /URI:([^,\s]+)/.exec(certificate.subjectAltName ?? '')?.[1] ?? ''
  return parseSpiffeId(uri)?.name ?? certificate.subject.replaceAll('\n', ', ')
}

async function warnOfOpenKey(dir: string, { stderr }: Pick<Io, 'stderr'>): Promise<void> {
  const file = path.join(dir, IDENTITY_FILES.key)
  const { mode } = await stat(file)
  // Windows keeps no such bits and always shows them set.
  if ((mode & 0o077) === 0 || path.sep === '\\') return
  stderr.write(`musterctl: warning: others on this machine can read ${file}; close it with: chmod 600 ${file}\n`)
}
