import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { extract } from 'tar'
import { CHECKOUT } from '../checkout.ts'
import { type Arch, NODE_RELEASE } from './node-release.ts'

/** A Node for one processor, as files. */
export interface NodeBinary {
  /** The executable file. It may be run only if `arch` is that of this machine. */
  file: string
  arch: Arch
  /** Node's licence and those of what is in it. */
  license: string
}

const CACHE = path.join(CHECKOUT, 'node_modules', '.cache', 'muster', 'node')
const FETCH_LIMIT_MS = 300_000

/**
 * Unpacks Node for a processor into `folder`. npm fetches the package that carries it, by its own settings for proxies and
 * mirrors, and the archive is kept for the next time. @throws Error when npm cannot fetch it, or it is not the one expected
 */
export async function unpackNode(arch: Arch, folder: string): Promise<NodeBinary> {
  const archive = await fetchArchive(arch)
  await mkdir(folder, { recursive: true })
  const wanted = ['package/bin/node', 'package/LICENSE']
  await extract({ file: archive, cwd: folder, strict: true }, wanted)
  return {
    file: path.join(folder, 'package', 'bin', 'node'),
    arch,
    license: await readFile(path.join(folder, 'package', 'LICENSE'), 'utf8'),
  }
}

/** The archive of the npm package, verified, in the cache. */
async function fetchArchive(arch: Arch): Promise<string> {
  const { version } = NODE_RELEASE
  const name = `node-linux-${arch}-${version}.tgz`
  const kept = path.join(CACHE, name)
  if (await isGenuine(kept, arch)) return kept
  await mkdir(CACHE, { recursive: true })
  const folder = await mkdtemp(path.join(CACHE, 'fetch-'))
  try {
    await npmPack(`node-linux-${arch}@${version}`, folder)
    const fetched = path.join(folder, name)
    if (!(await isGenuine(fetched, arch))) {
      throw new Error(`the npm package node-linux-${arch}@${version} is not the one that node-release.ts expects`)
    }
    await rename(fetched, kept)
    return kept
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function isGenuine(file: string, arch: Arch): Promise<boolean> {
  const content = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (content === undefined) return false
  return `sha512-${createHash('sha512').update(content).digest('base64')}` === NODE_RELEASE.integrity[arch]
}

async function npmPack(spec: string, destination: string): Promise<void> {
  const args = ['pack', spec, '--silent', '--pack-destination', destination]
  try {
    await promisify(execFile)('npm', args, { cwd: destination, timeout: FETCH_LIMIT_MS })
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    const next = 'Check that the npm registry can be reached (a proxy goes into HTTPS_PROXY), then run it again.'
    throw new Error(`npm could not fetch ${spec}. ${next}\n${stderr.trim()}`, { cause: error })
  }
}
