import { buildRedis } from './redis-build.ts'
import { unpackDebianRedis } from './redis-debian.ts'
import { checkRedisProgram, whichProgram, type FindRedisOptions, type RedisProgram } from './redis-program.ts'

/** A Redis that already runs, or a program to start. */
export type FoundRedis = { readonly url: string } | { readonly program: RedisProgram }

/**
 * Finds a Redis: MUSTER_REDIS_URL, a server on PATH, the Debian or Ubuntu package unpacked into the cache, a build
 * from source into the cache. @throws Error that names the ways to get one, and why each attempt failed
 */
export async function findRedis(options: FindRedisOptions): Promise<FoundRedis> {
  const url = options.env['MUSTER_REDIS_URL']
  if (url) return { url }
  const failures: string[] = []
  for (const find of [onPath, unpackDebianRedis, buildRedis]) {
    try {
      const program = await find(options)
      if (program !== undefined) return { program }
    } catch (error) {
      failures.push((error as Error).message)
    }
  }
  throw new Error(
    [
      'No Redis found. Do one of these:',
      '  1. install Redis so that redis-server or valkey-server is on PATH (for example: apt install redis-server, brew install redis)',
      '  2. set MUSTER_REDIS_URL=redis://[:password@]host:port to use a running Redis',
      '  3. install make and a C compiler, so that Muster can build it (needs access to download.redis.io)',
      ...(failures.length > 0 ? ['Muster tried:'] : []),
      ...failures.map((failure) => `  - ${failure.replaceAll('\n', '\n    ')}`),
    ].join('\n'),
  )
}

async function onPath({ env }: FindRedisOptions): Promise<RedisProgram | undefined> {
  const failures: string[] = []
  for (const name of ['redis-server', 'valkey-server']) {
    const found = whichProgram(name, env)
    if (found === undefined) continue
    try {
      return await checkRedisProgram({ path: found })
    } catch (error) {
      failures.push((error as Error).message)
    }
  }
  if (failures.length > 0) throw new Error(failures.join('\n'))
  return undefined
}
