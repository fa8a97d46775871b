import { mkdir, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { checkRedisProgram, whichProgram, type FindRedisOptions, type RedisProgram } from './redis-program.ts'
import { run } from './run.ts'

// The newest line of releases that needs only make and a C compiler. It builds within two minutes on two cores.
const version = '7.2.7'
const limitMs = 5 * 60_000

/** Builds Redis from source into the cache with the optional package redis-memory-server. Undefined without that package. */
export async function buildRedis({ cacheDir, env, onProgress }: FindRedisOptions): Promise<RedisProgram | undefined> {
  const downloadDir = path.join(path.resolve(cacheDir), 'redis-build')
  const built = path.join(downloadDir, version, 'redis-server')
  const cached = await checkRedisProgram({ path: built }).catch(() => undefined)
  if (cached !== undefined) return cached

  const library = builderPackage()
  if (library === undefined) return undefined
  const missing = ['make', 'cc'].filter((name) => !whichProgram(name, env))
  if (missing.length > 0) throw new Error(`a build from source: ${missing.join(' and ')} not found on PATH`)

  // The package builds inside the calling process. A separate process can be stopped, and its output stays out of ours.
  const script = `const { RedisBinary } = require(${JSON.stringify(library)})
    RedisBinary.getPath(${JSON.stringify({ version, downloadDir, systemBinary: '' })}).catch((error) => {
      console.error(error.message)
      process.exit(1)
    })`
  const startedAt = performance.now()
  const report = () => {
    const seconds = Math.round((performance.now() - startedAt) / 1000)
    onProgress?.(`building from source, ${seconds} s of at most ${limitMs / 1000} s`)
  }
  report()
  const timer = setInterval(report, 5_000)
  try {
    await mkdir(downloadDir, { recursive: true })
    await run(process.execPath, ['-e', script], { cwd: downloadDir, env, timeoutMs: limitMs })
    return await checkRedisProgram({ path: built })
  } catch (error) {
    // Otherwise the next attempt would wait two minutes for the lock of this one.
    await rm(path.join(downloadDir, `${version}.lock`), { force: true })
    throw new Error(`a build from source: ${(error as Error).message}`, { cause: error })
  } finally {
    clearInterval(timer)
  }
}

function builderPackage(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve('redis-memory-server')
  } catch {
    return undefined
  }
}
