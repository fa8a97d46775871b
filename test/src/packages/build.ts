import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { runsAllTests } from '@muster/testkit'
import { askOncePerRun } from '../harness/once-per-run.ts'

const BUILD_LIMIT_MS = 180_000

/** The processor of this machine, if `npm run package` can build executables on it. */
export const arch: 'x64' | 'arm64' | undefined =
  process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64') ? process.arch : undefined

/** The packages of this checkout as files. @returns their folder; undefined where `buildPackages` returns that */
export async function packagesOfRun(): Promise<string | undefined> {
  const made = await askOncePerRun<{ folder?: string }>('packages')
  return made === undefined ? buildPackages(FORMATS) : made.folder
}

/** The formats that the tests of this run look at: all that are files, or those that take no package manager. */
export const FORMATS = runsAllTests ? 'tar,deb,rpm,npm' : 'tar,npm'

/**
 * Builds packages into a new folder for temporary files, by default with the version of the checkout.
 * @returns the folder; undefined where there can be none: on another system than Linux, or when npm cannot fetch their Node
 */
export async function buildPackages(formats: string, version?: string): Promise<string | undefined> {
  if (arch === undefined) return undefined
  const folder = await mkdtemp(path.join(os.tmpdir(), 'muster-packages-'))
  try {
    await build(formats, folder, version)
    return folder
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    if (!(error as Error).message.includes('npm could not fetch')) throw error
    return undefined
  }
}

/** Builds packages of these formats into a folder, by default with the version of the checkout. @throws Error with what the build said */
export async function build(formats: string, out: string, version?: string): Promise<void> {
  const manifest = createRequire(import.meta.url).resolve('@muster/packaging/package.json')
  const main = path.join(path.dirname(manifest), 'dist', 'main.js')
  const args = [main, `--formats=${formats}`, `--out=${out}`, ...(arch === undefined ? [] : [`--arch=${arch}`])]
  if (version !== undefined) args.push(`--set-version=${version}`)
  const env = { ...process.env, NODE_OPTIONS: '' }
  await new Promise<void>((resolve, reject) => {
    execFile(process.execPath, args, { env, timeout: BUILD_LIMIT_MS }, (error, _stdout, stderr) =>
      error === null ? resolve() : reject(new Error(`npm run package failed:\n${stderr}`, { cause: error })),
    )
  })
}

/** The lines of `SHA256SUMS` by the name of the file. */
export async function readSums(build: string): Promise<Map<string, string>> {
  const lines = (await readFile(path.join(build, 'SHA256SUMS'), 'utf8')).trim().split('\n')
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]))
}
