import { execFile } from 'node:child_process'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { promisify } from 'node:util'
import type { NodeBinary } from './node-binary.ts'

const run = promisify(execFile)
const SECTION = 'NODE_SEA_BLOB'
/** Node looks for the section when the last character of this text in its file is 1. Node documents the value. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'

/** What an executable is made of. */
export interface ExecutableParts {
  /** The program, as one CommonJS file. */
  code: Buffer
  /** Node for the processor that the executable is for. */
  node: NodeBinary
  /** A Node of the same version that this machine can run. */
  host: NodeBinary
  /** An empty folder for the steps between. */
  folder: string
}

/**
 * Makes one executable file of a program and Node (a "single executable application"). V8's code cache is in it when it is
 * for the processor of this machine: a cache can be made only by the Node that will read it.
 */
export async function makeExecutable({ code, node, host, folder }: ExecutableParts): Promise<Buffer> {
  await writeFile(path.join(folder, 'muster.cjs'), code)
  const config = {
    main: 'muster.cjs',
    output: 'muster.blob',
    disableExperimentalSEAWarning: true,
    useCodeCache: node.arch === host.arch,
  }
  await writeFile(path.join(folder, 'sea.json'), JSON.stringify(config))
  // A seed makes V8's hashes, and with them the code cache, the same each time. Names relative to the folder keep its path out.
  const env = { ...process.env, NODE_OPTIONS: '' }
  await run(host.file, ['--random-seed=1', '--experimental-sea-config', 'sea.json'], { cwd: folder, env })
  await copyFile(node.file, path.join(folder, 'muster'))
  await inject(folder)
  return readFile(path.join(folder, 'muster'))
}

/** Puts the blob into the executable. In a process of its own, since postject takes some 500 MB and warns about Node's file. */
async function inject(folder: string): Promise<void> {
  const postject = createRequire(import.meta.url).resolve('postject/dist/cli.js')
  const args = [postject, 'muster', SECTION, 'muster.blob', '--sentinel-fuse', FUSE]
  await run(process.execPath, args, { cwd: folder })
}
