import { mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { run, type Environment } from './run.ts'

/** Downloads the current version of a package and resolves to its archive's path. */
export type AptDownload = (name: string) => Promise<string>

/**
 * A downloader that keeps everything in `folder`/apt: the archives, and if the system's package lists are missing or
 * stale, lists of its own. Works for root and for ordinary users.
 */
export async function aptDownloader({
  folder,
  env,
  onProgress,
}: {
  folder: string
  env: Environment
  onProgress?: ((text: string) => void) | undefined
}): Promise<AptDownload> {
  const home = path.join(folder, 'apt')
  await mkdir(path.join(home, 'state/lists/partial'), { recursive: true })
  await mkdir(path.join(home, 'cache/archives/partial'), { recursive: true })
  // Images clean the system's cache after each update, and desktops notify other programs. Skip both hooks.
  const config = path.join(home, 'apt.conf')
  await writeFile(config, '#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n')
  // As root, apt would download as user _apt, which may not be allowed to write here.
  const settings = [
    'APT::Sandbox::User=root',
    'Acquire::Retries=1',
    'Acquire::http::Timeout=20',
    'Acquire::https::Timeout=20',
  ]
  const ownLists = [
    `Dir::State=${path.join(home, 'state')}`,
    `Dir::State::lists=${path.join(home, 'state/lists')}`,
    'Dir::State::status=/var/lib/dpkg/status',
    `Dir::Cache=${path.join(home, 'cache')}`,
    `Dir::Cache::archives=${path.join(home, 'cache/archives')}`,
  ]
  const flags = (values: string[]) => values.flatMap((value) => ['-o', value])
  const apt = async (args: string[], timeoutMs: number) => {
    const options = { cwd: home, env: { ...env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' }, timeoutMs }
    await run('apt-get', ['-c', config, ...flags(settings), ...args], options)
  }
  let updated = false
  const fetch = async (name: string) => apt([...(updated ? flags(ownLists) : []), 'download', name], 120_000)
  const fetchWithOwnLists = async (name: string) => {
    onProgress?.('reading the package lists')
    updated = true
    const update = await apt([...flags([...ownLists, 'APT::Update::Error-Mode=any']), 'update'], 180_000).catch(
      (error: Error) => error,
    )
    try {
      // An update fails if a single source fails; the other sources may have the package.
      await fetch(name)
    } catch (error) {
      throw update instanceof Error ? update : error
    }
  }

  return async (name) => {
    onProgress?.(`downloading the package ${name}`)
    await fetch(name).catch((error: Error) => {
      if (updated) throw error
      return fetchWithOwnLists(name)
    })
    const archive = (await readdir(home)).find((file) => file.startsWith(`${name}_`) && file.endsWith('.deb'))
    if (archive === undefined) throw new Error(`apt-get download ${name} left no archive`)
    return path.join(home, archive)
  }
}

/** The names of the packages that an archive depends on, the first of each set of alternatives. */
export async function dependencies(archive: string, env: Environment): Promise<string[]> {
  const text = await run('dpkg-deb', ['-f', archive, 'Depends'], { env, timeoutMs: 10_000 })
  return text
    .split(',')
    .map((alternatives) => /^\s*([a-z0-9][a-z0-9+.-]*)/.exec(alternatives)?.[1])
    .filter((name) => name !== undefined)
}

/** Whether the system has the package. */
export async function isInstalled(name: string, env: Environment): Promise<boolean> {
  const query = run('dpkg-query', ['-W', '-f', '${db:Status-Status} ', name], { env, timeoutMs: 10_000 })
  return (await query.catch(() => '')).split(' ').includes('installed')
}
