import { CliError, type Io } from '@muster/cli-kit'
import { timeAgo, utcTime } from '@muster/cli-kit/print'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { BREAK_GLASS, CERTIFICATE_BACKDATE_MS, clockText, messageOf, parseSpiffeId } from '@muster/domain'
import { IDENTITY_FILES, type IdentityFolder, type OperatorProfile, readIdentity } from '@muster/identity'
import { FileError } from '@muster/runtime'
import { howToRenew } from '../cli/errors.ts'

/** An operator's complete identity. Its certificate may have expired. */
export interface OperatorIdentity extends IdentityFolder<OperatorProfile> {
  /** The folder as it was found. */
  dir: string
  /** The folder of the files, with links resolved. A login in the meantime does not change it. */
  realDir: string
  /** How it was found, for people. */
  foundBy: string
  /** The operator's name. */
  name: string
  /** viewer, operator, admin. */
  roles: string[]
  /** Made by `ca-service issue-admin`; not a user of the cluster. */
  isBreakGlass: boolean
  issuedAt: Date
  startsAt: Date
  expiresAt: Date
  /** When renewals stop; undefined if the certificate is never renewed. */
  sessionExpiresAt: Date | undefined
}

/** Checks that the certificate is valid, or can be replaced. Warns if others can read the key. @throws CliError */
export async function assertUsable(
  identity: OperatorIdentity,
  { io, now }: { io: Pick<Io, 'stderr'>; now: () => Date },
): Promise<void> {
  assertInDate(identity, now())
  await warnOfOpenKey(identity.dir, io)
}

type Times = Pick<OperatorIdentity, 'expiresAt' | 'sessionExpiresAt'>

/** A certificate that expires this close to the end of the session cannot be renewed to a later end. */
const SESSION_MARGIN_MS = 1_000

/** True if the session outlasts the certificate, so that a renewal gives a later end. */
export function canRenew({ expiresAt, sessionExpiresAt }: Times): boolean {
  return sessionExpiresAt !== undefined && sessionExpiresAt.getTime() - expiresAt.getTime() > SESSION_MARGIN_MS
}

/** True if the certificate has expired, or does so within the margin, and the session allows another. */
export function needsReplacement(times: Times, now: Date, marginMs = 0): boolean {
  const { expiresAt, sessionExpiresAt } = times
  return expiresAt.getTime() - now.getTime() <= marginMs && canRenew(times) && sessionExpiresAt! > now
}

/** True if the identity no longer works: the certificate has expired, and there is no session for another. */
export function isUnusable(times: Times, now: Date): boolean {
  return times.expiresAt <= now && !needsReplacement(times, now)
}

function assertInDate(identity: OperatorIdentity, now: Date): void {
  const { name, dir, profile, expiresAt, startsAt, sessionExpiresAt } = identity
  if (isUnusable(identity, now)) {
    const what = sessionExpiresAt === undefined ? 'certificate' : 'session'
    const end = sessionExpiresAt ?? expiresAt
    throw new CliError(
      `the ${what} of ${name} in ${dir} expired ${timeAgo(end, now)} (${utcTime(end)})`,
      `${howToRenew(profile)}\nThe clock of this machine says ${clockText(now)}.`,
    )
  }
  if (startsAt > now) {
    throw new CliError(
      `the certificate of ${name} in ${dir} is not valid before ${utcTime(startsAt)}`,
      `Check this machine's clock. It says ${clockText(now)}.`,
    )
  }
}

/** Reads the identity in a folder; undefined if there is none. @throws CliError for a damaged identity */
export async function readOperator(dir: string, foundBy: string): Promise<OperatorIdentity | undefined> {
  const realDir = await resolveLinks(dir)
  let folder: IdentityFolder<OperatorProfile> | undefined
  try {
    folder = await readIdentity<OperatorProfile>(realDir)
  } catch (error) {
    // A file where a folder of the path should be: there is no identity.
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined
    // A login has just replaced the folder.
    if ((await resolveLinks(dir)) !== realDir) return readOperator(dir, foundBy)
    throw new CliError(messageOf(error), error instanceof FileError ? undefined : howToReplace(foundBy), error)
  }
  return folder && { ...folder, ...describeIdentity(dir, folder), dir, realDir, foundBy }
}

/** The person's name is in the identity that cannot be read. */
function howToReplace(foundBy: string): string {
  const isLogin = ['the current cluster', '--cluster'].includes(foundBy)
  return isLogin ? howToRenew({ user: 'YOUR-NAME' }) : howToRenew()
}

async function resolveLinks(dir: string): Promise<string> {
  return realpath(dir).catch(() => dir)
}

/** Reads the certificate of an identity. @throws CliError for a damaged identity */
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
    // The cause could repeat the content of the file.
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
  // Windows has no such bits and always shows them as set.
  if ((mode & 0o077) === 0 || path.sep === '\\') return
  stderr.write(`musterctl: warning: others on this machine can read ${file}; close it with: chmod 600 ${file}\n`)
}
