// Prepares a fresh checkout so that its programs can run. Needs Node and npm and no installed dependencies.
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { runStep } from './progress.mjs'

/** The root of the checkout. */
export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

/** The path of a program among the installed dependencies. */
export function localProgram(name) {
  return path.join(root, 'node_modules', '.bin', name)
}

/** Installs the workspace's dependencies if they changed since the last time, and compiles what changed. */
export async function bootstrap() {
  await install()
  await build()
}

/** Installs dependencies with the pinned pnpm, exactly as pnpm-lock.yaml says. Does nothing when they are in place. */
export async function install() {
  checkNode()
  const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  const stampFile = path.join(root, 'node_modules', '.muster-installed')
  const stamp = installStamp()
  if (readOr(stampFile, '') === stamp) return
  // npx runs the pinned version, so pnpm must neither look for it again nor record it in the lockfile.
  const args = ['--yes', manifest.packageManager, '--pm-on-fail=ignore', 'install', '--frozen-lockfile']
  await runStep('Installing dependencies', 'npx', args, {
    cwd: root,
    // CI keeps pnpm from asking questions: its output is not on the terminal.
    env: { ...process.env, CI: 'true', npm_config_loglevel: 'error' },
    onFailure:
      'Check that the npm registry can be reached (a proxy goes into HTTPS_PROXY), then run the same command again. ' +
      'If it fails again, delete node_modules first.',
  })
  writeFileSync(stampFile, stamp)
}

/** Compiles the workspace. Takes a second or less when nothing changed. */
export async function build() {
  await runStep('Compiling', localProgram('tsc'), ['-b'], {
    cwd: root,
    onFailure: 'Fix the compiler errors above, then run the same command again.',
  })
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  console.error(`Muster needs Node 20.19 or later; this is ${process.versions.node}. Get one at https://nodejs.org`)
  process.exit(1)
}

function installStamp() {
  const hash = createHash('sha256')
  hash.update([process.versions.node.split('.')[0], process.platform, process.arch].join(' '))
  const folders = ['packages', 'services'].flatMap((parent) =>
    readdirSync(path.join(root, parent)).map((name) => path.join(parent, name)),
  )
  const manifests = ['.', 'test', ...folders].map((folder) => path.join(folder, 'package.json'))
  for (const name of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests]) {
    hash.update(`\0${name}\0${readOr(path.join(root, name), '')}`)
  }
  return hash.digest('hex')
}

function readOr(file, fallback) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return fallback
  }
}
