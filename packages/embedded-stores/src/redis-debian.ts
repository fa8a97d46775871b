import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { aptDownloader, dependencies, isInstalled, type AptDownload } from './apt.ts'
import {
  checkRedisProgram,
  redisEnvironment,
  whichProgram,
  type FindRedisOptions,
  type RedisProgram,
} from './redis-program.ts'
import { run, type Environment } from './run.ts'

/** The families of packages that contain a server: the program's name and the packages that it needs, libraries apart. */
const families = [
  { server: 'redis-server', packages: ['redis-server', 'redis-tools'] },
  { server: 'valkey-server', packages: ['valkey-server', 'valkey-tools'] },
]

/**
 * On Debian, Ubuntu and their derivatives: unpacks the distribution's Redis, and libraries that the system lacks, into the
 * cache. Needs no privilege and changes nothing outside the cache. Undefined on other systems.
 */
export async function unpackDebianRedis(options: FindRedisOptions): Promise<RedisProgram | undefined> {
  const { env, onProgress } = options
  const release = await debianRelease()
  if (release === undefined || !whichProgram('apt-get', env) || !whichProgram('dpkg-deb', env)) return undefined
  const home = path.join(path.resolve(options.cacheDir), `redis-${release}-${process.arch}`)
  const cached = await unpackedProgram(home, env)
  if (cached !== undefined) return cached

  await mkdir(path.dirname(home), { recursive: true })
  const draft = await mkdtemp(`${home}.`)
  try {
    const download = await aptDownloader({ folder: draft, env, onProgress })
    await unpackServer(draft, env, download)
    await unpackMissingLibraries(draft, env, download)
    if ((await unpackedProgram(draft, env)) === undefined) throw new Error('the unpacked Redis does not run here')
    await rm(path.join(draft, 'apt'), { recursive: true, force: true })
    await moveInto(home, draft, env)
  } catch (error) {
    throw new Error(`the distribution's Redis package: ${(error as Error).message}`, { cause: error })
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return await unpackedProgram(home, env)
}

async function moveInto(home: string, draft: string, env: Environment): Promise<void> {
  try {
    await rename(draft, home)
  } catch {
    // Another process was faster, or the Redis in the cache stopped running after an upgrade of the system.
    if ((await unpackedProgram(home, env)) !== undefined) return
    await rm(home, { recursive: true, force: true })
    await rename(draft, home)
  }
}

async function debianRelease(): Promise<string | undefined> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const field = (name: string) => new RegExp(`^${name}="?([^"\\n]*)`, 'm').exec(text)?.[1] ?? ''
  const derivedFrom = `${field('ID')} ${field('ID_LIKE')}`.split(' ')
  if (!derivedFrom.includes('debian') && !derivedFrom.includes('ubuntu')) return undefined
  return `${field('ID')}-${field('VERSION_ID') || 'rolling'}`.replaceAll(/[^\w.-]/g, '')
}

async function unpackServer(draft: string, env: Environment, download: AptDownload): Promise<void> {
  const failures: string[] = []
  for (const { packages } of families) {
    try {
      for (const name of packages) await unpack(await download(name), draft, env)
      return
    } catch (error) {
      failures.push((error as Error).message)
    }
  }
  throw new Error(failures.join('\n'))
}

async function unpackMissingLibraries(draft: string, env: Environment, download: AptDownload): Promise<void> {
  const seen = new Set<string>()
  let archives = (await readdir(path.join(draft, 'apt'))).filter((name) => name.endsWith('.deb'))
  while ((await missingLibraries(draft, env)).length > 0) {
    const wanted = new Set<string>()
    for (const archive of archives) {
      for (const name of await dependencies(path.join(draft, 'apt', archive), env)) {
        if (name.startsWith('lib') && !seen.has(name) && !(await isInstalled(name, env))) wanted.add(name)
      }
    }
    if (wanted.size === 0) throw new Error(`no package has ${(await missingLibraries(draft, env)).join(', ')}`)
    archives = []
    for (const name of wanted) {
      seen.add(name)
      const archive = await download(name)
      archives.push(path.basename(archive))
      await unpack(archive, draft, env)
    }
  }
}

async function unpack(archive: string, draft: string, env: Environment): Promise<void> {
  await run('dpkg-deb', ['-x', archive, path.join(draft, 'root')], { env, timeoutMs: 60_000 })
}

async function missingLibraries(home: string, env: Environment): Promise<string[]> {
  const program = await serverIn(home)
  if (program === undefined) throw new Error('the package contains no server')
  const text = await run('ldd', [program.path], { env: { ...env, ...redisEnvironment(program) }, timeoutMs: 10_000 })
  return [...text.matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1]!)
}

async function unpackedProgram(home: string, env: Environment): Promise<RedisProgram | undefined> {
  const program = await serverIn(home)
  if (program === undefined) return undefined
  const complete = await missingLibraries(home, env)
    .then((missing) => missing.length === 0)
    .catch(() => false)
  return complete ? await checkRedisProgram(program).catch(() => undefined) : undefined
}

async function serverIn(home: string): Promise<RedisProgram | undefined> {
  const root = path.join(home, 'root')
  const server = families.map((family) => path.join(root, 'usr/bin', family.server)).find((file) => existsSync(file))
  if (server === undefined) return undefined
  const files = await readdir(root, { recursive: true })
  const folders = new Set(
    files.filter((file) => /\.so[.\d]*$/.test(file)).map((file) => path.join(root, path.dirname(file))),
  )
  return { path: server, libraryPath: [...folders].join(':') }
}
