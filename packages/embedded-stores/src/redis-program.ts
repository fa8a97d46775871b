import { accessSync, constants } from 'node:fs'
import path from 'node:path'
import { run, type Environment } from './run.ts'
import { systemPath } from './child-process.ts'

/** Where to look for a Redis, and where to keep one. */
export interface FindRedisOptions {
  /** The folder for a downloaded or built Redis. Several clusters may share it. */
  readonly cacheDir: string
  /** MUSTER_REDIS_URL and PATH are read; the tools that download and build get all of it. */
  readonly env: Environment
  /** Gets one short text at each long step. */
  readonly onProgress?: (text: string) => void
}

/** A Redis or Valkey server program that can be started. */
export interface RedisProgram {
  /** The absolute path of the program. */
  readonly path: string
  /** Folders of shared libraries that the system does not have, joined by colons. */
  readonly libraryPath?: string
}

/** The first version with ZMSCORE, ZRANGE BYSCORE and ZADD GT. */
const oldest = [6, 2] as const

/** Resolves to the program if it runs here. @throws Error if it does not run, or is older than version 6.2 */
export async function checkRedisProgram(program: RedisProgram): Promise<RedisProgram> {
  const text = await run(program.path, ['--version'], { env: redisEnvironment(program), timeoutMs: 10_000 })
  const version = /\bv=(\d+)\.(\d+)\S*/.exec(text)
  if (version === null) throw new Error(`${program.path} is not a Redis server; it says: ${text.trim().slice(0, 200)}`)
  const [major, minor] = [Number(version[1]), Number(version[2])]
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return program
  throw new Error(`${program.path} is too old (${version[0]}); Muster needs Redis ${oldest.join('.')} or later`)
}

/** The environment that the program runs in. */
export function redisEnvironment({ libraryPath }: RedisProgram): Record<string, string> {
  return { PATH: systemPath, LC_ALL: 'C', ...(libraryPath ? { LD_LIBRARY_PATH: libraryPath } : {}) }
}

/** The path of a program that PATH names, or undefined. */
export function whichProgram(name: string, env: Environment): string | undefined {
  const folders = (env['PATH'] ?? '').split(path.delimiter).filter(path.isAbsolute)
  return folders.map((folder) => path.join(folder, name)).find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
