import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { UsageError } from '@muster/cli-kit'
import { whyUnreadable } from '@muster/runtime'
import { credentialOf, isNoFile } from '../systemd/credentials.ts'
import { type ConfigFile, configFileName } from './config-file.ts'

/**
 * Reads the configuration. The default file may be missing. It may also be unreadable, as when a person tries an agent of
 * their own on a machine that has one already. As a unit of systemd, the agent reads the copy that systemd hands over.
 * @throws UsageError that lists every problem with line and column
 */
export async function loadConfigFile(
  flag: string | undefined,
  env: NodeJS.ProcessEnv,
  flagName = '--config',
): Promise<ConfigFile | undefined> {
  const { file, isGiven } = configFileName(flag, env)
  const copy = isGiven ? undefined : credentialOf(file, env).file
  if (copy !== undefined) {
    const text = readFileSync(copy, 'utf8')
    return isNoFile(text) ? undefined : parseConfig(text, file)
  }
  if (!isGiven && !isReadable(file)) return undefined
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${flag === undefined ? 'MUSTER_AGENT_CONFIG_FILE' : flagName}: ${whyUnreadable(file, error)}`)
  }
  return parseConfig(text, file)
}

/** Reads the text of a configuration. @throws UsageError that lists every problem with line and column */
export async function parseConfig(text: string, file: string): Promise<ConfigFile> {
  // Loads the parser, which most starts do not need.
  const { parseConfigText } = await import('./parse-config-text.ts')
  return parseConfigText(text, file)
}

/** The reason why the default configuration exists and is not read. */
export function unreadableConfig(flag: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  const { file, isGiven } = configFileName(flag, env)
  if (credentialOf(file, env).file !== undefined) return undefined
  return !isGiven && existsSync(file) && !isReadable(file) ? `${file} cannot be read by this user` : undefined
}

/** True if the configuration holds a token, and users other than its owner may read it. */
export function exposesToken({ path: file, token }: ConfigFile): boolean {
  return token !== undefined && 'text' in token && (statSync(file).mode & 0o044) !== 0
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK)
    return true
  } catch {
    return false
  }
}
