import { X509Certificate } from 'node:crypto'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { messageOf, parseSpiffeId } from '@muster/domain'
import { IDENTITY_FILES, readIdentity, type IdentityFolder, type OperatorProfile } from '@muster/runtime'
import { CliError, NEW_IDENTITY } from './errors.ts'
import type { Io } from './io.ts'
import { timeAgo, utcTime } from './times.ts'

/** An operator's identity, whole and in date. */
export interface OperatorIdentity extends IdentityFolder<OperatorProfile> {
  dir: string
  /** The operator's name. */
  name: string
  expiresAt: Date
}

export interface FindOptions {
  io: Pick<Io, 'env' | 'cwd' | 'stderr'>
  now: () => Date
  /** The folder that --identity names. */
  explicitDir: string | undefined
}

/**
 * Finds and reads the operator's identity: --identity, MUSTER_IDENTITY, `.muster/operator` here or in a folder above,
 * `~/.muster/operator`. Warns if others can read the key. @throws CliError that says how to get one
 */
export async function findIdentity({ io, now, explicitDir }: FindOptions): Promise<OperatorIdentity> {
  const [dir, folder] = await firstFolder(io, explicitDir)
  checkProfile(dir, folder.profile)
  const certificate = readLeaf(dir, folder.chainPem)
  const name = nameIn(certificate)
  const expiresAt = new Date(certificate.validTo)
  if (expiresAt <= now()) {
    throw new CliError(
      `the certificate of ${name} in ${dir} expired ${timeAgo(expiresAt, now())} (${utcTime(expiresAt)})`,
      NEW_IDENTITY,
    )
  }
  const startsAt = new Date(certificate.validFrom)
  if (startsAt > now()) {
    throw new CliError(
      `the certificate of ${name} in ${dir} is not valid before ${utcTime(startsAt)}`,
      "Check this machine's clock.",
    )
  }
  await warnOfOpenKey(dir, io)
  return { ...folder, dir, name, expiresAt }
}

type Found = [dir: string, folder: IdentityFolder<OperatorProfile>]

async function firstFolder({ env, cwd }: FindOptions['io'], explicitDir: string | undefined): Promise<Found> {
  for (const [source, value] of [
    ['--identity', explicitDir],
    ['MUSTER_IDENTITY', env.MUSTER_IDENTITY],
  ] as const) {
    if (value === undefined || value === '') continue
    const dir = path.resolve(cwd, value)
    const folder = await read(dir)
    if (folder !== undefined) return [dir, folder]
    throw new CliError(
      `there is no operator identity in ${dir}, which ${source} names`,
      "It is a folder with profile.json, key.pem, chain.pem and bundle.pem, as 'npm start' and 'ca-service issue-admin' write it.",
    )
  }
  for (const dir of usualPlaces(cwd, env.HOME ?? env.USERPROFILE)) {
    const folder = await read(dir)
    if (folder !== undefined) return [dir, folder]
  }
  throw new CliError(
    `no operator identity found: there is no .muster/operator in ${cwd}, above it, or in your home folder`,
    "Start a local cluster with 'npm start' and run musterctl in its folder, or give the folder that " +
      "'ca-service issue-admin' wrote with --identity DIR or MUSTER_IDENTITY.",
  )
}

function usualPlaces(cwd: string, home: string | undefined): string[] {
  const places: string[] = []
  for (let dir = path.resolve(cwd); ; dir = path.dirname(dir)) {
    places.push(dir)
    if (dir === path.dirname(dir)) break
  }
  if (home !== undefined) places.push(home)
  return places.map((dir) => path.join(dir, '.muster', 'operator'))
}

async function read(dir: string): Promise<IdentityFolder<OperatorProfile> | undefined> {
  try {
    return await readIdentity<OperatorProfile>(dir)
  } catch (error) {
    // A file on the way where a folder should be: nothing is there.
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined
    throw new CliError(messageOf(error), NEW_IDENTITY, error)
  }
}

function checkProfile(dir: string, profile: Partial<OperatorProfile> | null): void {
  const { registration, token, ca } = profile?.addresses ?? {}
  const texts = [profile?.clusterName, profile?.publicAddress, registration, token, ca]
  if (texts.every((text) => typeof text === 'string' && text !== '')) return
  throw new CliError(`${dir}/${IDENTITY_FILES.profile} lacks the cluster's name or addresses`, NEW_IDENTITY)
}

function readLeaf(dir: string, chainPem: string): X509Certificate {
  try {
    return new X509Certificate(chainPem)
  } catch (error) {
    throw new CliError(`${dir}/${IDENTITY_FILES.chain} holds no certificate`, NEW_IDENTITY, error)
  }
}

function nameIn(certificate: X509Certificate): string {
  const uri = /URI:([^,\s]+)/.exec(certificate.subjectAltName ?? '')?.[1] ?? ''
  return parseSpiffeId(uri)?.name ?? certificate.subject.replaceAll('\n', ', ')
}

async function warnOfOpenKey(dir: string, { stderr }: FindOptions['io']): Promise<void> {
  const file = path.join(dir, IDENTITY_FILES.key)
  const { mode } = await stat(file)
  // Windows keeps no such bits and always shows them set.
  if ((mode & 0o077) === 0 || path.sep === '\\') return
  stderr.write(`musterctl: warning: others on this machine can read ${file}; close it with: chmod 600 ${file}\n`)
}
