import { CliError } from '@muster/cli-kit'
import { messageOf } from '@muster/domain'
import { askWebFace, type WebFace } from '@muster/rpc'
import { newerBy, parseSemanticVersion } from '@muster/runtime'
import type { ClusterVersions } from '../status/version-advice.ts'

/** What an upgrade would do. */
export interface UpgradePlan extends ClusterVersions {
  /** The version that runs now. */
  from: string
  /** The version of the channel, or the one that was asked for. */
  to: string
  action: 'none' | 'upgrade' | 'downgrade'
}

/** The version to upgrade to: of a channel, or this one. */
export type Target = { channel: string } | { version: string }

/** Asks the web face for its versions. Installs nothing. @throws CliError if it does not answer as a web face does */
export async function planUpgrade(face: WebFace, from: string, target: Target): Promise<UpgradePlan> {
  const ping = await readPage(face, '/v1/webapi/ping')
  const to = 'version' in target ? target.version : await versionOf(target.channel, face)
  const action = newerBy(to, from) !== 'no' ? 'upgrade' : newerBy(from, to) !== 'no' ? 'downgrade' : 'none'
  return { from, to, action, ...versionsIn(ping) }
}

/** The install script of the web face. @throws CliError if it has none */
export function readInstallScript(face: WebFace): Promise<string> {
  return readPage(
    face,
    '/install.sh',
    `${face.address} has no packages; an operator puts them into MUSTER_PACKAGES_DIR`,
  )
}

async function versionOf(channel: string, face: WebFace): Promise<string> {
  const path = `/v1/webapi/automaticupgrades/channel/${encodeURIComponent(channel)}/version`
  const text = await readPage(face, path, `${face.address} has no channel ${JSON.stringify(channel)}`)
  return understood(face, () => parseSemanticVersion(text))
}

function versionsIn(ping: string): ClusterVersions {
  try {
    const found = JSON.parse(ping) as { server_version?: string; min_client_version?: string }
    return { serverVersion: found.server_version, minimumAgentVersion: found.min_client_version }
  } catch {
    return {}
  }
}

async function readPage(face: WebFace, path: string, notFound?: string): Promise<string> {
  let answer
  try {
    answer = await askWebFace(face, path)
  } catch (error) {
    const hint = face.acceptsPublic
      ? undefined
      : `The cluster named this address. If it is yours and has a public certificate, give it: --web-addr=${face.address}.`
    throw new CliError(`the web face ${face.address} cannot be used: ${messageOf(error)}`, hint, error)
  }
  const { status, body } = answer
  if (status === 200) return body.toString()
  if (status === 404 && notFound !== undefined) throw new CliError(notFound)
  throw new CliError(`${face.address} answered ${path} with status ${status}`)
}

function understood<T>(face: WebFace, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new CliError(`${face.address} answered with something else than a version: ${messageOf(error)}`)
  }
}
